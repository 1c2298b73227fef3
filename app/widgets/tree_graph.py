"""The design tree as columns for the graph: where each node stands, what it looks like, how it is coloured. Pure functions of the designs.

Everything is one JSON text a part (`structure`, `standing`, `places`, `paint`, `hover`), in the order in which the designs came; a part is made when it changes.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.report.tree_svg import STATUS_COLOURS
from core.types import Design, Kind, Mode, Status, UnitTree

KINDS = (Kind.REFERENCE, Kind.AGENT, Kind.MANUAL)
MODE_COLOURS = {Mode.SEED: "#999999", Mode.MUTATION: "#0072B2", Mode.CROSSOVER: "#E69F00", Mode.SCRATCH: "#009E73", Mode.EXPLORE: "#CC79A7"}
AUTHOR_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")  # Okabe & Ito
OTHERS = "#999999"
REFUSED, FAILED, SUPERSEDED, PRUNED = 1, 2, 4, 8                       # why a node is a ghost
BANDS = 14                                                             # layers of time, or of scores
ROW = 0.45                                                             # between the rows of a wrapped layer; layers are 1 apart


@dataclass(frozen=True)
class Arrangement:
    """Where nodes stand: x in 0–1, y downward from 0, which layer each is in; `ticks` are (y, words) of the layers."""

    x: list[float]
    y: list[float]
    layer: list[int]
    ticks: list[tuple[float, str]]
    gap: tuple[float, float]         # between neighbours in a row, between rows
    title: str

    def to_json(self) -> str:
        return _json({"x": [round(x, 5) for x in self.x], "y": [round(y, 3) for y in self.y], "layer": self.layer, "ticks": self.ticks,
                      "gap": {"x": self.gap[0], "y": self.gap[1]}, "title": self.title})


def arranged(designs: Sequence[Design], by: str = "generation") -> Arrangement:
    """Layers by "generation", by "time", or by the score at the scale of that name (best on top, without one below).

    Within a generation nodes stand in the order of the mean place of their parents (the barycentre heuristic of Sugiyama et al. 1981), one downward sweep:
    O(n log n). Other layers keep that order from left to right, so that a design does not wander when the layers change.
    """
    place: dict[str, float] = {}

    def wanted(d: Design) -> tuple[float, str]:
        known = [place[p] for p in d.parents if p in place]
        return (sum(known) / len(known) if known else 0.5, d.id)

    generations = _layers([d.generation for d in designs], designs)
    for members in generations:
        ordered = sorted(members, key=wanted)
        place.update({d.id: (i + 0.5) / len(ordered) for i, d in enumerate(ordered)})
    if by == "generation":
        named = [(f"gen {members[0].generation}", sorted(members, key=wanted)) for members in generations]
    else:
        groups = _by_time(designs) if by == "time" else _by_score(designs, by)
        named = [(name, sorted(members, key=lambda d: (place[d.id], d.id))) for name, members in groups if members]
    return _stacked(designs, named, by)


def layout(designs: Sequence[Design]) -> dict[str, tuple[float, float]]:
    """x, y of each node, layered by generation."""
    made = arranged(designs)
    return {d.id: (x, y) for d, x, y in zip(designs, made.x, made.y, strict=True)}


def _stacked(designs: Sequence[Design], layers: Sequence[tuple[str, list[Design]]], by: str) -> Arrangement:
    """Layers below each other, wide ones wrapped into rows."""
    at: dict[str, tuple[float, float, int]] = {}
    ticks, y, widest, wrapped = [], 0.0, 1, False
    for n, (name, members) in enumerate(layers):
        width = max(8, math.ceil(2.2 * math.sqrt(len(members))), math.ceil(1.6 * math.sqrt(len(designs))))
        rows = math.ceil(len(members) / width)
        columns = math.ceil(len(members) / rows)
        widest, wrapped = max(widest, columns), wrapped or rows > 1
        for i, design in enumerate(members):
            column, row = divmod(i, rows)
            at[design.id] = ((column + 0.5 + 0.3 * (row % 2 - 0.5) * (rows > 1)) / columns, y - ROW * row, n)
        ticks.append((round(y, 3), name))
        y -= 1.0 + ROW * (rows - 1)
    every = max(1, math.ceil(len(ticks) / 40))
    return Arrangement([at[d.id][0] for d in designs], [at[d.id][1] for d in designs], [at[d.id][2] for d in designs], ticks[::every],
                       (1 / widest, ROW if wrapped else 1.0), by)


def _layers(keys: Sequence[int], designs: Sequence[Design]) -> list[list[Design]]:
    found: dict[int, list[Design]] = defaultdict(list)
    for key, design in zip(keys, designs, strict=True):
        found[key].append(design)
    return [found[key] for key in sorted(found)]


def _by_time(designs: Sequence[Design]) -> list[tuple[str, list[Design]]]:
    """References that came together in one layer, then equally many designs a layer, the first one's moment beside it."""
    ordered = sorted(designs, key=lambda d: (d.created_at, d.id))
    size = max(6, math.ceil(len(ordered) / BANDS))
    groups = [ordered[i : i + size] for i in range(0, len(ordered), size)]
    oneday = bool(ordered) and ordered[0].created_at.date() == ordered[-1].created_at.date()
    return [(_moment(group[0].created_at, oneday), group) for group in groups]


def _moment(when: datetime, oneday: bool) -> str:
    local = when.astimezone()
    return f"{local:%H:%M}" if oneday else f"{local:%d %b}"


def _by_score(designs: Sequence[Design], scale: str) -> list[tuple[str, list[Design]]]:
    known = sorted((d for d in designs if scale in d.scores), key=lambda d: d.scores[scale])
    rest = [d for d in designs if scale not in d.scores]
    groups: list[tuple[str, list[Design]]] = []
    if known:
        low, high = known[0].scores[scale], known[int(0.98 * (len(known) - 1))].scores[scale]      # a few hopeless ones do not squeeze the others together
        step = (high - low) / (BANDS - 1) or 1.0
        bands: dict[int, list[Design]] = defaultdict(list)
        for d in known:
            bands[min(BANDS - 1, int((d.scores[scale] - low) / step))].append(d)
        groups = [(f"{low + band * step:.3f}", members) for band, members in sorted(bands.items())]
    return [*groups, ("no score", rest)]


# ----------------------------------------------------------------------------------------------------- what nodes are


def structure(designs: Sequence[Design]) -> str:
    """Who they are and from whom they descend: what stays as it is when they are judged or measured."""
    index = {d.id: i for i, d in enumerate(designs)}
    authors, kinds = list(dict.fromkeys(d.author for d in designs)), {k: i for i, k in enumerate(KINDS)}
    numbers = {a: i for i, a in enumerate(authors)}
    return _json({
        "ids": [d.id for d in designs], "titles": [d.title[:80] for d in designs], "kinds": [str(k) for k in KINDS], "kind": [kinds[d.kind] for d in designs],
        "authors": authors, "author": [numbers[d.author] for d in designs], "parents": [[index[p] for p in d.parents] for d in designs],
        "born": [int(d.created_at.timestamp()) for d in designs]})


def standing(designs: Sequence[Design], scales: Sequence[str], passed_over: set[str], pruned: set[str]) -> str:
    """How they stand: scores, what was decided and said. `passed_over`: their session closed without them; `pruned`: left alone by a person's word."""
    states, measured = {s: i for i, s in enumerate(Status)}, [s for s in scales if any(s in d.scores for d in designs)]
    return _json({
        "statuses": [str(s) for s in Status], "status": [states[d.status] for d in designs], "ratings": [None if d.rating is None else round(d.rating, 1) for d in designs],
        "scores": {s: [None if (v := d.scores.get(s)) is None else round(v, 5) for d in designs] for s in measured},
        "reach": [max((i + 1 for i, s in enumerate(scales) if s in d.scores), default=0) if d.scores else 0 for d in designs],
        "notes": {i: note for i, d in enumerate(designs) if (note := noted(d))}, "ghost": [ghost(d, passed_over, pruned) for d in designs],
        "tags": {i: d.tags for i, d in enumerate(designs) if d.tags},
        "signs": [(i, d.pinned, round(d.boost, 4), d.pruned) for i, d in enumerate(designs) if d.pinned or d.pruned or d.boost != 1]})


def noted(design: Design) -> str:
    """What is to be known beside its scores; "" where nothing is."""
    held = f"a score at {', '.join(design.held_back)} is held back: too good to count before an audit" if design.held_back else ""
    older = f"of older code than its newest: {', '.join(design.older)}" if design.older else ""
    return "; ".join(filter(None, (held, older)))


def ghost(design: Design, passed_over: set[str], pruned: set[str]) -> int:
    """Why it is shown as a ghost; 0 where it is not."""
    return (REFUSED * (design.status is Status.REFUSED) | FAILED * (design.status is Status.FAILED) | SUPERSEDED * (design.id in passed_over)
            | PRUNED * (design.id in pruned))


def hover(designs: Sequence[Design], trees: Mapping[str, UnitTree]) -> str:
    """What is told of the one that is pointed at: its summary, and its unit tree as (depth, slot, unit) in a row, slots and units by number."""
    slots: dict[str, int] = {}
    names: dict[str, int] = {}
    outlines = []
    for design in designs:
        tree, outline = trees.get(design.id), []
        for path, node in tree.walk() if tree else ():
            outline += [len(path), slots.setdefault(path[-1] if path else "block", len(slots)), names.setdefault(node.unit, len(names))]
        outlines.append(outline or None)
    return _json({"of": outlines, "slots": list(slots), "units": list(names), "summaries": [d.summary[:120] for d in designs]})


# ----------------------------------------------------------------------------------------------------- colours


def by_status(designs: Sequence[Design]) -> str:
    return _classes([str(d.status) for d in designs], {str(s): c for s, c in STATUS_COLOURS.items()})


def by_mode(designs: Sequence[Design]) -> str:
    return _classes([str(d.mode) for d in designs], {str(m): c for m, c in MODE_COLOURS.items()})


def by_author(designs: Sequence[Design]) -> str:
    """The authors of most designs have a colour each, the rest one."""
    counts: dict[str, int] = defaultdict(int)
    for d in designs:
        counts[d.author] += 1
    leading = sorted(counts, key=lambda a: (-counts[a], a))[: len(AUTHOR_COLOURS)]
    colours = dict(zip(leading, AUTHOR_COLOURS, strict=False))
    return _classes([d.author if d.author in colours else "others" for d in designs], {**colours, "others": OTHERS})


def _classes(values: Sequence[str], colours: Mapping[str, str]) -> str:
    present = [name for name in colours if name in set(values)]
    number = {name: i for i, name in enumerate(present)}
    return _json({"values": [number[v] for v in values], "names": present, "colours": [colours[name] for name in present], "title": "", "unknown": ""})


def by_number(designs: Sequence[Design], values: Mapping[str, float], title: str, unknown: str, words: tuple[str, str], bright_is_low: bool = True) -> str:
    """On viridis between the 2nd and the 98th percentile. `words`: what stands at the bright and at the dark end; {low} and {high} are filled in."""
    known = sorted(values[d.id] for d in designs if d.id in values)
    low, high = (known[int(0.02 * (len(known) - 1))], known[math.ceil(0.98 * (len(known) - 1))]) if known else (0.0, 1.0)
    ends = (low, high) if bright_is_low else (high, low)
    told = [word.format(low=f"{low:.4g}", high=f"{high:.4g}") for word in words]
    return _json({"values": [_short(values.get(d.id)) for d in designs], "low": ends[0], "high": ends[1], "title": title, "unknown": unknown, "words": told})


def by_score(designs: Sequence[Design], scale: str) -> str:
    return by_number(designs, {d.id: d.scores[scale] for d in designs if scale in d.scores}, f"bits per byte at {scale}", "not measured", ("{low} (best)", "{high}"))


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _json(data: object) -> str:
    return json.dumps(data, separators=(",", ":"))
