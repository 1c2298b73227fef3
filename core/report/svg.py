"""Charts as SVG text, for a file that must open anywhere: curves, and dots with their intervals. Colours follow the page through CSS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# Okabe & Ito 2008, told apart by colour-blind eyes; the yellow that white swallows and the black that a dark page swallows left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
WIDTH = 640


@dataclass(frozen=True)
class Line:
    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    colour: str = ""                 # "" for one that is only there for comparison
    dots: bool = False               # points alone: few, and measured apart


@dataclass(frozen=True)
class Dot:
    label: str
    value: float
    se: float | None = None
    colour: str = COLOURS[0]
    other: float | None = None       # the reference's value
    other_se: float | None = None
    chance: float | None = None
    note: str = ""


def lines(found: Sequence[Line], x_title: str, y_title: str, height: int = 300) -> str:
    """The y axis follows the later nine tenths of each curve: the first steps of a training would flatten all that follows."""
    found = [line for line in found if line.xs]
    if not found:
        return ""
    late = [y for line in found for y in line.ys[len(line.ys) // 10:] if math.isfinite(y)]
    if not late:
        return ""
    low, high = _padded(min(late), max(late))
    left, right, top, bottom = 56, WIDTH - 12, 10, height - 40
    far = max(max(line.xs) for line in found) or 1

    def x(v: float) -> float:
        return left + (right - left) * v / far

    def y(v: float) -> float:
        return bottom - (bottom - top) * (v - low) / (high - low)

    parts = [_grid_y(low, high, y, left, right), _grid_x(0, far, x, top, bottom)]
    for line in found:
        style = f'stroke="{line.colour}"' if line.colour else 'class="muted"'
        if line.dots:
            fill = f'fill="{line.colour}"' if line.colour else 'class="muted-fill"'
            parts += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3.2" {fill}><title>{escape(line.name)}: {b:.4f}</title></circle>'
                      for a, b in zip(line.xs, line.ys, strict=True) if low <= b <= high]
        else:
            path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(line.xs, line.ys, strict=True) if low <= b <= high)
            width = 2 if line.colour else 1.2
            parts.append(f'<polyline points="{path}" fill="none" stroke-width="{width}" {style}><title>{escape(line.name)}</title></polyline>')
    parts.append(_titles(x_title, y_title, left, right, top, bottom, height))
    return _svg(height, parts, y_title)


def intervals(rows: Sequence[Dot], x_title: str, digits: int = 3) -> str:
    """A dot with ± one standard error a row; hollow: the reference; a short bar: chance."""
    if not rows:
        return ""
    ends = [e for r in rows for v, se in ((r.value, r.se), (r.other, r.other_se)) if v is not None for e in (v - (se or 0), v + (se or 0))]
    low, high = _padded(min(ends + [r.chance for r in rows if r.chance is not None]), max(ends))
    height = 46 + 26 * len(rows)
    left, right, top, bottom = 210, WIDTH - 70, 8, height - 38

    def x(v: float) -> float:
        return left + (right - left) * (v - low) / (high - low)

    parts = [_grid_x(low, high, x, top, bottom)]
    for i, r in enumerate(rows):
        at = top + 14 + 26 * i
        label = r.label if len(r.label) <= 30 else r.label[:29] + "…"
        parts.append(f'<text x="{left - 8}" y="{at + 4}" text-anchor="end"><title>{escape(r.label)}</title>{escape(label)}</text>')
        if r.chance is not None:
            parts.append(f'<line x1="{x(r.chance):.1f}" x2="{x(r.chance):.1f}" y1="{at - 9}" y2="{at + 9}" class="muted" stroke-width="2"><title>chance {r.chance:.3f}</title></line>')
        if r.other is not None:
            parts.append(_whisker(x, r.other, r.other_se, at + 5, 'class="muted"') + f'<circle cx="{x(r.other):.1f}" cy="{at + 5}" r="3.6" class="hollow"/>')
        parts.append(_whisker(x, r.value, r.se, at, f'stroke="{r.colour}"') + f'<circle cx="{x(r.value):.1f}" cy="{at}" r="4.2" fill="{r.colour}"/>')
        parts.append(f'<text x="{right + 8}" y="{at + 4}">{r.value:.{digits}f}</text>')
    parts.append(_titles(x_title, "", left, right, top, bottom, height))
    return _svg(height, parts, x_title)


def smoothed(values: Sequence[float], weight: float = 0.8) -> list[float]:
    """Exponential moving average, unbiased at its start."""
    out, state, norm = [], 0.0, 0.0
    for value in values:
        state, norm = weight * state + (1 - weight) * value, weight * norm + (1 - weight)
        out.append(state / norm)
    return out


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between the two: 1, 2 or 5 times a power of ten apart."""
    raw = (high - low) / about
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    return low - room, high + room


def _label(value: float) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g} {unit}"
    return f"{value:.6g}"


def _grid_x(low, high, x, top, bottom) -> str:
    return "".join(f'<line x1="{x(v):.1f}" x2="{x(v):.1f}" y1="{top}" y2="{bottom}" class="grid"/>'
                   f'<text x="{x(v):.1f}" y="{bottom + 15}" text-anchor="middle" class="small">{_label(v)}</text>' for v in ticks(low, high))


def _grid_y(low, high, y, left, right) -> str:
    return "".join(f'<line x1="{left}" x2="{right}" y1="{y(v):.1f}" y2="{y(v):.1f}" class="grid"/>'
                   f'<text x="{left - 6}" y="{y(v) + 4:.1f}" text-anchor="end" class="small">{_label(v)}</text>' for v in ticks(low, high))


def _titles(x_title, y_title, left, right, top, bottom, height) -> str:
    told = f'<text x="{(left + right) / 2:.0f}" y="{height - 6}" text-anchor="middle" class="small">{escape(x_title)}</text>'
    if y_title:
        middle = (top + bottom) / 2
        told += f'<text x="13" y="{middle:.0f}" text-anchor="middle" class="small" transform="rotate(-90 13 {middle:.0f})">{escape(y_title)}</text>'
    return told


def _whisker(x, value: float, se: float | None, at: float, style: str) -> str:
    if se is None:
        return ""
    return f'<line x1="{x(value - se):.1f}" x2="{x(value + se):.1f}" y1="{at}" y2="{at}" {style} stroke-width="1.6"/>'


def _svg(height: int, parts: Sequence[str], label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
