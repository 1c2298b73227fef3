"""The reference designs of library/designs. `python -m core.gab.references` writes each gab.py anew from its design.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.errors import DesignError
from core.gab.units import UnitLibrary
from core.types import UnitTree

TEXTS = ("title", "authors", "paper", "url", "summary")


@dataclass(frozen=True)
class ReferenceDesign:
    slug: str
    title: str
    authors: str
    year: int
    paper: str                       # arXiv id, or a citation where there is none
    url: str
    summary: str
    units: UnitTree
    code: str                        # gab.py


def load_references(library_dir: Path) -> list[ReferenceDesign]:
    """Sorted by year. Raises DesignError naming file and key."""
    folders = [path.parent for path in sorted((library_dir / "designs").glob("*/design.yaml"))]
    return sorted((load_reference(folder) for folder in folders), key=lambda r: (r.year, r.slug))


def load_reference(folder: Path) -> ReferenceDesign:
    data, path = _read(folder), folder / "design.yaml"
    for key in TEXTS:
        if not isinstance(data.get(key), str):
            raise DesignError(f"{path}: {key!r} is missing or no text", "see library/designs/gpt2/design.yaml")
    if not isinstance(data.get("year"), int):
        raise DesignError(f"{path}: 'year' is missing or no number", "see library/designs/gpt2/design.yaml")
    try:
        units = UnitTree.from_dict(data["units"])
    except (KeyError, TypeError, AttributeError) as error:
        raise DesignError(f"{path}: 'units' is no tree of units ({error!r})", "each node has `unit`, and where they apply `config` and `children`") from None
    try:
        code = (folder / "gab.py").read_text(encoding="utf-8")
    except OSError as error:
        raise DesignError(f"{folder / 'gab.py'} cannot be read: {error.strerror}", "python -m core.gab.references") from error
    summary = " ".join(data["summary"].split())
    return ReferenceDesign(folder.name, data["title"], data["authors"], data["year"], data["paper"], data["url"], summary, units, code)


def write_references(library_dir: Path) -> list[Path]:
    """Compose every reference's gab.py from its design.yaml; the files written."""
    library, written = UnitLibrary(library_dir / "units"), []
    for path in sorted((library_dir / "designs").glob("*/design.yaml")):
        (path.parent / "gab.py").touch()
        ref = load_reference(path.parent)
        (path.parent / "gab.py").write_text(composed(library, ref), encoding="utf-8")
        written.append(path.parent / "gab.py")
    return written


def composed(library: UnitLibrary, ref: ReferenceDesign) -> str:
    return library.compose(ref.units, title=ref.title, summary=ref.summary, source=f"{ref.authors} {ref.year}, {ref.paper}")


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "design.yaml"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise DesignError(f"{path}{line}: {getattr(error, 'problem', error)}", "mend the YAML") from None
    if not isinstance(data, dict):
        raise DesignError(f"{path} holds no mapping", "see library/designs/gpt2/design.yaml")
    return data


if __name__ == "__main__":
    for file in write_references(Path(__file__).resolve().parents[2] / "library"):
        print(file)
