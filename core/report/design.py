"""One design to take along: as Markdown, and the papers that it builds on as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from core.decided import in_words
from core.dossier import Dossier
from core.types import Design, Proposal, UnitTree

if TYPE_CHECKING:
    from core.desk import Desk
    from core.gab.references import ReferenceDesign

ARXIV = re.compile(r"^(?:arXiv:)?(\d{4}\.\d{4,5})$", re.IGNORECASE)
# What TeX reads as commands in a text.
TEX = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def as_markdown(found: Dossier) -> str:
    """Proposal, units, scores, reviews, decisions and code, newest revision of each. What agents and people wrote stands as they wrote it."""
    d = found.design
    newest = found.proposals[-1] if found.proposals else None
    parts = [f"# {d.title}", f"`{d.id}` · {d.kind} · {d.mode}{' of ' * bool(d.parents)}{', '.join(d.parents)} · by {d.author} · {d.created_at:%Y-%m-%d} · {d.status}"]
    if newest:
        parts += [f"## Proposal, revision {newest.revision} by {newest.author}", newest.body]
        if newest.units:
            parts += ["## Units", _fenced(outline(newest.units))]
        parts += [f"**New unit `{u.name}`** ({u.kind}): {u.about}" for u in newest.new_units]
    done = [v for v in found.verifications if v.metrics]
    if done:
        revisions = {i.id: i.revision for i in found.implementations}
        rows = [f"| {v.id} | {revisions.get(v.implementation_id, '')} | {v.scale} | {v.seed} | {v.corpus} | {v.metrics.bits_per_byte:.4f} ± {v.metrics.bits_per_byte_se:.4f} | {v.metrics.params:,} | {v.metrics.tokens:,} |"
                for v in done if v.metrics]
        parts += ["## Verifications", "\n".join(["| number | code | scale | seed | corpus | bits per byte, held out | parameters | tokens |", "|---|---|---|---|---|---|---|---|", *rows]),
                  "± one standard error over held-out documents; parameters without embeddings; the code by its revision."]
    for review in found.reviews:
        parts += [f"## Review by {review.reviewer}: {review.rating:.1f} of 5", review.text]
    if found.decisions:
        parts += ["## Decisions", "\n".join(f"- {x.created_at:%Y-%m-%d %H:%M} UTC, {x.author} {in_words(x)}" + (f": {x.reason}" if x.reason else "") for x in found.decisions)]
    if made := found.implementation:
        check = f", {'passed' if made.check.passed else 'failed'} its check at {made.check.scale}" if made.check else ""
        parts += [f"## Code, revision {made.revision} by {made.author}{check}", f"SHA-256 {made.code_hash}", _fenced(made.code, "python")]
    return "\n\n".join(parts) + "\n"


def as_text(proposal: Proposal) -> str:
    """All of a revision, to be compared with another: title, text, units."""
    units = f"\n\nUnits\n{outline(proposal.units)}" if proposal.units else ""
    new = "".join(f"\n\nNew unit {u.name} ({u.kind})\n{u.about}" for u in proposal.new_units)
    return f"{proposal.title}\n\n{proposal.body}{units}{new}"


def outline(tree: UnitTree, slot: str = "block", depth: int = 0) -> str:
    """The tree of units as indented text."""
    config = ", ".join(f"{k}={v}" for k, v in tree.config.items())
    branch = "   " * (depth - 1) + "└─ " if depth else ""
    lines = [f"{branch}{slot}: {tree.unit}" + (f"  ({config})" if config else "")]
    return "\n".join(lines + [outline(child, name, depth + 1) for name, child in tree.children.items()])


def builds_on(desk: Desk, design_id: str, designs: Sequence[Design] | None = None) -> list[ReferenceDesign]:
    """The references from which a design descends, and those whose mixers it uses; oldest first. `designs`: all of them, where they are known already."""
    graph = {d.id: d.parents for d in (designs if designs is not None else desk.store.designs.all())}
    if design_id not in graph:
        desk.store.designs.get(design_id)
    ancestors, stack = set(), [design_id]
    while stack:
        node = stack.pop()
        if node not in ancestors:
            ancestors.add(node)
            stack += graph.get(node, ())
    newest = desk.store.proposals.newest(design_id)
    own = _mixers(newest.units) if newest and newest.units else set()
    known = desk.references()
    until = next((r.year for r in known if r.slug == design_id), None)          # a reference builds on nothing that came after it
    return [r for r in known if (r.slug in ancestors or own & _mixers(r.units)) and (until is None or r.year <= until)]


def as_bibtex(found: Sequence[ReferenceDesign]) -> str:
    """Raises nothing: a reference without an arXiv id keeps its citation as a note."""
    return "\n\n".join(_entry(r) for r in found) + ("\n" if found else "")


def _entry(r: ReferenceDesign) -> str:
    arxiv = ARXIV.match(r.paper.strip())
    fields = {"title": "{" + _tex(r.title) + "}", "author": " and ".join(_authors(r.authors)), "year": str(r.year), "url": r.url}
    fields |= {"eprint": arxiv.group(1), "archivePrefix": "arXiv"} if arxiv else {"note": _tex(r.paper)}
    body = ",\n".join(f"  {key} = {{{value}}}" for key, value in fields.items() if value)
    return f"@{'misc' if arxiv else 'article'}{{{r.slug}{r.year},\n{body}\n}}"


def _authors(text: str) -> Iterator[str]:
    """BibTeX's own word for "and the others" is `others`."""
    for name in re.split(r",\s*|\s+and\s+|\s*&\s*", text):
        name = name.strip()
        if match := re.match(r"^(.*?)\s*et al\.?$", name):
            yield from filter(None, [_tex(match.group(1)), "others"])
        elif name:
            yield _tex(name)


def _tex(text: str) -> str:
    return "".join(TEX.get(c, c) for c in text)


def _mixers(tree: UnitTree) -> set[str]:
    return {node.unit for path, node in tree.walk() if path and "mixer" in path[-1]}


def _fenced(text: str, language: str = "") -> str:
    """Longer than any fence within."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
