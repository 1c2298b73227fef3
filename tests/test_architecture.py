"""The house's rules that a program can hold: which way imports run, and that screens stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Lower number: nearer the ground. A module imports its own layer or lower ones only.
LAYERS = {
    "core.types": 0, "core.errors": 1, "core.quick_yaml": 1, "core.asked": 2, "core.budgets": 2, "core.gates": 2, "core.decided": 3, "core.statistics": 1, "core.config": 2, "core.passwords": 2, "core.users": 3, "core.door": 4, "core.machine": 3, "core.store": 3, "core.papers": 4, "core.jobs": 4,
    "core.llm": 5, "core.gab": 5, "core.sandbox": 6, "core.checker": 7, "core.verification": 8, "core.agents": 9, "core.selection": 10,
    "core.faithful": 10, "core.guidance": 10, "core.kin": 10, "core.replay": 10, "core.toolbox": 10, "core.convening": 11, "core.briefing": 11, "core.coding": 11, "core.proposing": 11, "core.directing": 11, "core.shaping": 11, "core.outlines": 11, "core.staffing": 11, "core.showing": 11, "core.pacing": 11, "core.beginning": 11, "core.sharing": 11, "core.measures": 11, "core.run_view": 11, "core.running": 11, "core.morning": 11, "core.instruments": 11, "core.verifying": 11, "core.lab": 11, "core.probing": 11, "core.discovery": 11, "core.own": 11, "core.reading": 11, "core.citing": 10, "core.estimates": 11, "core.known_times": 11, "core.evidence": 11, "core.confirming": 11, "core.standings": 11, "core.vetting": 11, "core.judging": 11, "core.planning": 11, "core.inbox": 11, "core.foreseen": 11, "core.calibration": 11, "core.surroundings": 11, "core.working": 11, "core.deciding": 12, "core.desk": 12, "core.guarded": 13, "core.engine": 12, "core.dossier": 12, "core.conversation": 12, "core.report": 12, "core.export": 11, "core.build": 13, "core.talk": 13,
    "core.doctor": 13, "core.serve": 14, "core.cli_text": 14, "core.cli_data": 14, "core.cli_papers": 14, "core.cli_inbox": 14, "core.cli_llm": 14, "core.cli_stats": 14, "core.cli_work": 14, "core.cli_report": 14, "core.cli_probe": 14, "core.cli_agents": 14, "core.cli_run": 14, "core.cli_shape": 14, "core.cli_users": 14, "core.cli": 15, "core.__main__": 16,
}
# Two kinds of thing are shared sideways: the store and the queue know nothing of blocks, and blocks nothing of them.
APART = [("core.gab", "core.store"), ("core.gab", "core.jobs"), ("core.llm", "core.gab"), ("core.gab", "core.llm"), ("core.sandbox", "core.store"), ("core.checker", "core.store"),
         ("core.verification", "core.store"), ("core.verification", "core.jobs"), ("core.agents", "core.store"), ("core.selection", "core.store")]
SCREENS_MAY = ("core.conversation", "core.desk", "core.users", "core.door", "core.guarded", "core.planning", "core.dossier", "core.export", "core.report", "core.jobs", "core.store", "core.errors", "core.config", "core.types", "app")
HEAVY = ("torch", "transformers", "datasets", "lm_eval", "openai", "anthropic")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Every module imported anywhere in the file, inside functions too; those under TYPE_CHECKING left out."""
    tree = ast.parse(path.read_text())
    typing_only = {id(n) for node in ast.walk(tree) if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
                   for n in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer(module: str) -> tuple[str, int] | None:
    fitting = [name for name in LAYERS if module == name or module.startswith(name + ".")]
    return (max(fitting, key=len), LAYERS[max(fitting, key=len)]) if fitting else None


CORE = sorted((ROOT / "core").rglob("*.py"))
SCREENS = sorted([*(ROOT / "app").rglob("*.py"), *(ROOT / "pages").rglob("*.py")])


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_downward(path: Path):
    own = layer(module_of(path))
    if module_of(path) == "core":
        return
    assert own, f"{module_of(path)} has no layer: give it one"
    for name in imports(path):
        other = layer(name)
        if other:
            assert other[1] <= own[1], f"{module_of(path)} imports {name}, which lies above it"
            assert (own[0], other[0]) not in APART, f"{module_of(path)} imports {name}: the two stay apart"


@pytest.mark.parametrize("path", SCREENS, ids=lambda p: str(p.relative_to(ROOT)))
def test_screens_reach_only_the_desk_and_what_it_shows(path: Path):
    for name in imports(path):
        if name.split(".")[0] in ("core", "app"):
            assert any(name == may or name.startswith(may + ".") for may in SCREENS_MAY), f"{path.name} imports {name}"
        assert name.split(".")[0] not in HEAVY


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_does_not_know_the_screen(path: Path):
    assert not {name.split(".")[0] for name in imports(path)} & {"streamlit", "app", "pages", "plotly"}


def test_light_modules_load_nothing_heavy():
    pages = [f"importlib.util.spec_from_file_location('page_{p.stem}', {str(p)!r})" for p in sorted((ROOT / "pages").glob("*.py"))]
    code = (
        "import sys, importlib.util, ast\n"
        "import core.desk, core.store, core.jobs, core.gab.units, core.gab.scales, core.gab.references, core.dossier\n"
        "import app.shell\n"
        f"for spec in [{', '.join(pages)}]:\n"
        "    tree = ast.parse(open(spec.origin).read())\n"
        "    lines = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]\n"
        "    exec(compile(ast.Module(lines, []), spec.origin, 'exec'))\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"
