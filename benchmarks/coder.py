"""What becomes of code that is wrong in typical ways: fifteen kinds, each a design session through the real SDK, a scripted model and the real sandbox.

    python benchmarks/coder.py [--stubborn]      # --stubborn: the model never mends; what the checker's own repairs are worth alone

The model behind the stub (tests/stub_llm/researcher.py) writes a unit with one fault, and mends it only when what it is told names the fault.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from stub_llm import StubServer  # noqa: E402
from stub_llm.researcher import FAULTS, Fault, Researcher  # noqa: E402

from core.build import BuildSystem  # noqa: E402
from core.cli_text import table  # noqa: E402
from core.config import Config  # noqa: E402
from core.types import Status  # noqa: E402

ENOUGH = 12


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stubborn", action="store_true")
    args = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}")
    rows = [tried(fault, args.stubborn) for fault in FAULTS]
    print(table(("fault", "ended as", "by", "rounds", "calls", "seconds"), rows))
    right = sum(row[1] == Status.IMPLEMENTED for row in rows)
    print(f"\n{right} of {len(rows)} end in a checked block")
    return int(right < ENOUGH and not args.stubborn)


def tried(fault: Fault, stubborn: bool) -> tuple:
    folder = Path(tempfile.mkdtemp(prefix="coder-"))
    researcher = Researcher(faults=[fault], stubborn=[fault.name] if stubborn else ())
    with StubServer(researcher) as server:
        config = Config.from_env({"DATA_DIR": str(folder / "data"), **server.environment(folder)})
        system = BuildSystem(config)
        desk = system.open()
        session = desk.start_session(["gpt2"], n_proposals=1, gate="auto", seed=1, agents="default")
        began = time.monotonic()
        system.worker(desk.store, "benchmark").run_one()
        seconds = time.monotonic() - began
        status = desk.store.designs.get(f"{session.id}-1").status
        checks = [e.data["text"] for e in desk.store.events.since(f"session:{session.id}", limit=10_000) if e.kind == "delta" and e.author == "checker"]
        told = sum(researcher.told.values())
        repaired = any("form was mended" in text for text in checks)
        by = "the model" if told else "the checker's repair" if repaired else "nobody: it passes" if status is Status.IMPLEMENTED else "given up"
        return fault.name, status, by, told, len(server.log), f"{seconds:.1f}"


if __name__ == "__main__":
    sys.exit(main())
