"""What torchrun starts, once a rank: `python rank.py FOLDER`. The sandbox shows it core/ but not the folder around it, so the package is found by its file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).resolve()


def main(folder: Path) -> None:
    core = HERE.parents[2]
    spec = importlib.util.spec_from_file_location("core", core / "__init__.py", submodule_search_locations=[str(core)])
    assert spec is not None
    assert spec.loader is not None
    package = sys.modules["core"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    sys.path[:] = [p for p in sys.path if Path(p).resolve() != HERE.parent]
    importlib.import_module("core.verification.training.launch").rank(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
