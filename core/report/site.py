"""A whole tree, or one run of it, as a folder of plain HTML pages: read-only, no script, nothing from elsewhere. It opens from a disk or any web server."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.conversation import Conversation, read
from core.dossier import Dossier, dossier
from core.errors import ConfigError, NotFound, UsageError
from core.measures import AtScale
from core.report import svg
from core.report.design import outline
from core.report.prose import prose
from core.report.said import readable
from core.report.tree_svg import tree_svg
from core.types import Design, Kind, Session

if TYPE_CHECKING:
    from core.desk import Desk

TEMPLATES = Path(__file__).parent / "pages"


def write_site(desk: Desk, out: Path, run_id: str = "", report: Callable[[float], None] = lambda _: None) -> int:
    """All or nothing: `out` must not exist, or be an empty folder. Of a run: what its sessions made, and what that descends from. How many designs.

    Raises UsageError, NotFound for a run without sessions, ConfigError where the disk refuses.
    """
    import jinja2

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already", "name a folder that does not exist")
    sessions = [s for s in desk.store.sessions.all() if not run_id or s.run_id == run_id]
    if run_id and not sessions:
        raise NotFound(f"run {run_id} has no sessions", "see: python -m core jobs")
    everything = desk.store.designs.all()
    designs = _of_run(everything, {s.id for s in sessions}) if run_id else everything
    env = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters |= {"page": page_name, "outline": outline, "prose": prose}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=out.parent, prefix=".site-"))
        try:
            _fill(desk, env, scratch, designs, sessions, run_id, report)
            os.chmod(scratch, 0o755)
            if out.exists():
                out.rmdir()
            scratch.rename(out)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror or error}", "free some space, or name another folder") from error
    return len(designs)


def site_zip(desk: Desk, run_id: str = "") -> bytes:
    """The same as one archive."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "design-tree"
        write_site(desk, folder, run_id)
        return Path(shutil.make_archive(str(folder), "zip", scratch, "design-tree")).read_bytes()


def page_name(ident: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", ident) + ".html"


def _fill(desk: Desk, env: Any, folder: Path, designs: Sequence[Design], sessions: Sequence[Session], run_id: str, report: Callable[[float], None]) -> None:
    from markupsafe import Markup

    scales = [s for s in desk.scales if any(s in d.scores for d in designs)]
    known = {d.id for d in designs}
    ranked = sorted(designs, key=lambda d: next(((-scales.index(s), d.scores[s]) for s in reversed(scales) if s in d.scores), (1, float(d.kind is Kind.REFERENCE))))
    measures = desk.measures(run_id) if run_id else None
    index = env.get_template("index.html.j2").render(run=run_id, designs=ranked, scales=scales, sessions=sessions, tree=Markup(tree_svg(designs, page_name)),
                                                     measures=measures.lines if measures else [], colours=svg.COLOURS,
                                                     charts=[(at.scale, Markup(_search(at))) for at in measures.scales if len(at.steps) > 1] if measures else [])
    (folder / "index.html").write_text(index, encoding="utf-8")
    for name in ("designs", "sessions"):
        (folder / name).mkdir()
    for n, design in enumerate(designs):
        found = dossier(desk.store, design.id)
        text = env.get_template("design.html.j2").render(found=found, d=design, known=known, scales=scales, curves=Markup(_curves(desk, found)),
                                                         sessions={s.id for s in sessions})
        (folder / "designs" / page_name(design.id)).write_text(text, encoding="utf-8")
        report((n + 1) / len(designs))
    for session in sessions:
        made = [d for d in designs if d.session_id == session.id]
        text = env.get_template("session.html.j2").render(s=session, made=made, known=known, said=said(read(desk.store, f"session:{session.id}")))
        (folder / "sessions" / page_name(session.id)).write_text(text, encoding="utf-8")


def _of_run(designs: Sequence[Design], sessions: Collection[str]) -> list[Design]:
    by_id = {d.id: d for d in designs}
    wanted: set[str] = set()
    stack = [d.id for d in designs if d.session_id in sessions]
    while stack:
        ident = stack.pop()
        if ident not in wanted:
            wanted.add(ident)
            stack += by_id[ident].parents
    return [d for d in designs if d.id in wanted]


def _curves(desk: Desk, found: Dossier) -> str:
    lines = []
    for i, v in enumerate([v for v in found.verifications if v.metrics][-6:]):
        points = desk.store.curves.of(v.id)
        step = max(1, len(points) // 240)
        lines.append(svg.Line(f"{v.scale}, seed {v.seed}", [p.tokens for p in points][::step], svg.smoothed([p.bpb for p in points])[::step], svg.COLOURS[i % len(svg.COLOURS)]))
    return svg.lines(lines, "training tokens", "bits per byte")


def _search(at: AtScale) -> str:
    ns = [s.n for s in at.steps]
    found = [svg.Line("best so far", ns, [s.best for s in at.steps], svg.COLOURS[0]), svg.Line("mean", ns, [s.mean for s in at.steps], svg.COLOURS[1]),
             svg.Line("verification", ns, [s.score for s in at.steps], dots=True)]
    if at.reference is not None:
        found.append(svg.Line("reference", [0, ns[-1]], [at.reference] * 2))
    return svg.lines(found, f"verifications at {at.scale}", "bits per byte")


def said(found: Conversation) -> list[dict[str, str]]:
    """{"author", "role", "design", "text"} of each message, in order, the text in Markdown; what was cut off and begun again is left out."""
    return [{"author": m.author, "role": m.role, "design": m.design or "", "text": readable(m.text) if m.key else m.text} for m in found.messages.values() if m.text.strip()]
