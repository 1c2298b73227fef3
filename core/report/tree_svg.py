"""The design tree as one SVG: generations from the top down, each node a link to its page."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from html import escape

from core.types import Design, Status

# Okabe & Ito 2008, told apart by colour-blind eyes.
STATUS_COLOURS = {Status.PROPOSED: "#56B4E9", Status.APPROVED: "#0072B2", Status.IMPLEMENTED: "#E69F00", Status.VERIFIED: "#009E73", Status.FAILED: "#D55E00", Status.REFUSED: "#999999"}
WIDTH, ROW, EDGES = 1080, 64, 3000


def tree_svg(designs: Sequence[Design], page: Callable[[str], str]) -> str:
    """Wide generations are wrapped into rows; names are drawn while there is room, and always told on hover. Edges are left out of very large trees."""
    layers: dict[int, list[Design]] = defaultdict(list)
    for design in designs:
        layers[design.generation].append(design)
    place: dict[str, tuple[float, float]] = {}
    y = 24.0
    for generation in sorted(layers):
        members = layers[generation]
        columns = min(len(members), max(9, math.ceil(2.2 * math.sqrt(len(members)))))
        for i, design in enumerate(members):
            row, column = divmod(i, columns)
            place[design.id] = (WIDTH * (column + 0.5) / columns, y + ROW * 0.7 * row)
        y += ROW + ROW * 0.7 * ((len(members) - 1) // columns)
    lines = [f'<line x1="{place[p][0]:.0f}" y1="{place[p][1]:.0f}" x2="{place[d.id][0]:.0f}" y2="{place[d.id][1]:.0f}"/>' for d in designs for p in d.parents if p in place]
    named = len(designs) <= 60
    nodes = [_node(d, place[d.id], page, named) for d in designs]
    height = math.ceil(y)
    return (f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="The design tree"><g class="edges">{"".join(lines if len(lines) <= EDGES else ())}</g>{"".join(nodes)}</svg>')


def _node(design: Design, at: tuple[float, float], page: Callable[[str], str], named: bool) -> str:
    title = design.title if len(design.title) <= 16 else design.title[:15] + "…"
    label = f'<text x="{at[0]:.0f}" y="{at[1] + 20:.0f}" text-anchor="middle">{escape(title)}</text>' if named else ""
    return (f'<a href="designs/{escape(page(design.id))}"><circle cx="{at[0]:.0f}" cy="{at[1]:.0f}" r="7" fill="{STATUS_COLOURS[design.status]}">'
            f"<title>{escape(design.title)} ({escape(design.id)}): {design.status}</title></circle>{label}</a>")
