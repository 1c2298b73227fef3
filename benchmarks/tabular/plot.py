"""Regret against cost as SVG, with bands; opens in any browser, light or dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from core.report.svg import COLOURS, ticks

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 920, 460, 64, 740, 36, 408
STYLE = """<style>text{font:12px system-ui,sans-serif;fill:#333}.g{stroke:#8884;stroke-width:1}.t{font-weight:600;font-size:14px}
@media (prefers-color-scheme:dark){svg{background:#111}text{fill:#ddd}}</style>"""
DASHES = ("", "7 4")

Curve = Sequence[tuple[float, float, float, float]]      # (cost, mean, low, high)


def curves(title: str, found: Mapping[str, Curve], x_title: str, y_title: str) -> str:
    """The y axis leaves out the start, before the first measurements, which would flatten all that follows."""
    far = max(c[-1][0] for c in found.values())
    late = [p for c in found.values() for p in c if p[0] >= far * 0.15]
    low, high = 0.0, max(p[3] for p in late) * 1.05 or 1.0

    def x(v: float) -> float:
        return LEFT + (RIGHT - LEFT) * v / far

    def y(v: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (min(v, high) - low) / (high - low)

    parts = [f'<line class="g" x1="{LEFT}" x2="{RIGHT}" y1="{y(t):.1f}" y2="{y(t):.1f}"/><text x="{LEFT - 6}" y="{y(t) + 4:.1f}" text-anchor="end">{t:.3g}</text>' for t in ticks(low, high)]
    parts += [f'<text x="{x(t):.1f}" y="{BOTTOM + 18}" text-anchor="middle">{t:.6g}</text>' for t in ticks(0, far)]
    order = sorted(found, key=lambda name: -found[name][-1][1])
    for i, (name, curve) in enumerate(found.items()):
        colour = COLOURS[i % len(COLOURS)]
        band = [f"{x(c):.1f},{y(h):.1f}" for c, _, _, h in curve] + [f"{x(c):.1f},{y(lo):.1f}" for c, _, lo, _ in reversed(curve)]
        line = " ".join(f"{x(c):.1f},{y(m):.1f}" for c, m, _, _ in curve)
        dash = DASHES[i // len(COLOURS) % 2]
        at = TOP + 16 + 20 * order.index(name)
        parts.append(f'<polygon points="{" ".join(band)}" fill="{colour}" opacity="0.13"/>')
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"><title>{escape(name)}</title></polyline>')
        parts.append(f'<line x1="{RIGHT + 14}" x2="{RIGHT + 38}" y1="{at}" y2="{at}" stroke="{colour}" stroke-width="3" stroke-dasharray="{dash}"/>'
                     f'<text x="{RIGHT + 44}" y="{at + 4}">{escape(name)} {curve[-1][1]:.3f}</text>')
    parts.append(f'<text class="t" x="{LEFT}" y="20">{escape(title)}</text><text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_title)}</text>'
                 f'<text x="16" y="{(TOP + BOTTOM) / 2}" text-anchor="middle" transform="rotate(-90 16 {(TOP + BOTTOM) / 2})">{escape(y_title)}</text>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">{STYLE}{"".join(parts)}</svg>\n'
