"""Reports as one HTML file: no script, nothing from elsewhere, printable, light or dark as the reader's screen is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.report import svg, words
from core.report.parts import Report

TEMPLATE = Path(__file__).with_name("report.html.j2")
SHOWN = 240          # points of a curve
OTHERS = 12          # other designs in the plot of scores


def as_html(reports: Sequence[Report]) -> str:
    """Texts of designs are escaped by the template; only our own drawings go in as they are."""
    import jinja2
    from markupsafe import Markup

    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.globals |= {"words": words, "colours": svg.COLOURS}
    drawn = [{"found": r, "colour": svg.COLOURS[i % len(svg.COLOURS)], "scores": Markup(scores(r)), "tasks": Markup(tasks([r])), "probes": Markup(probes([r])),
              "curves": Markup(curves([r])), "ladder": Markup(ladder(r))} for i, r in enumerate(reports)]
    together = {"curves": Markup(curves(reports)), "tasks": Markup(tasks(reports)), "probes": Markup(probes(reports))} if len(reports) > 1 else None
    return env.from_string(TEMPLATE.read_text(encoding="utf-8")).render(drawn=drawn, together=together)


def curves(reports: Sequence[Report]) -> str:
    """Training text in lines, watched held-out text in dots; the references in grey."""
    muted = {c.verification: c for r in reports for c in r.references if c.verification not in {x.verification for x in reports}}
    found = [_line(c.design, c, "") for c in muted.values()]
    for i, r in enumerate(reports):
        colour = svg.COLOURS[i % len(svg.COLOURS)]
        found += [_line(r.name, r.curve, colour)]
        watched = [p for p in r.curve.points if p.held_out is not None]
        found += [svg.Line(f"{r.name}, held out", [p.tokens for p in watched], [p.held_out or 0.0 for p in watched], colour, dots=True)]
    return svg.lines(found, "training tokens", "bits per byte")


def _line(name: str, curve, colour: str) -> svg.Line:
    points = curve.points[:: max(1, len(curve.points) // SHOWN)]
    return svg.Line(name, [p.tokens for p in points], svg.smoothed([p.bpb for p in points]), colour)


def scores(found: Report) -> str:
    """The design among those measured at the same scale on the same corpus; the nearest ones where there are many."""
    peers = list(found.peers)
    at = next((i for i, p in enumerate(peers) if p.design == found.design.id), 0)
    start = max(0, min(at - OTHERS // 2, len(peers) - OTHERS))
    rows = [svg.Dot(f"{p.design}{f' ({p.seeds} seeds)' if p.seeds > 1 else ''}", p.mean, p.se, svg.COLOURS[0] if p.design == found.design.id else "#8a949e")
            for p in peers[start:start + OTHERS]]
    return svg.intervals(rows, f"bits per byte at {found.scale}, held out: lower is better", digits=4)


def tasks(reports: Sequence[Report]) -> str:
    names = [t.task for r in reports for t in r.tasks]
    rows = [svg.Dot(words.child(t.task, names), t.value, t.se, svg.COLOURS[i % len(svg.COLOURS)],
                    t.reference if len(reports) == 1 else None, t.reference_se, t.chance)
            for task in dict.fromkeys(t.task for r in reports for t in r.tasks) for i, r in enumerate(reports) for t in r.tasks if t.task == task and t.metric == "acc"]
    return svg.intervals(_once(rows), "accuracy ± standard error" + (f"; hollow: {reports[0].reference}; bar: chance" if len(reports) == 1 else "; bar: chance"))


def probes(reports: Sequence[Report]) -> str:
    names = dict.fromkeys((p.suite, p.task, p.level) for r in reports for p in r.probes)
    rows = [svg.Dot(" ".join(filter(None, (p.task, p.level))), p.accuracy, p.se, svg.COLOURS[i % len(svg.COLOURS)],
                    p.reference if len(reports) == 1 else None, None, p.chance)
            for name in names for i, r in enumerate(reports) for p in r.probes if (p.suite, p.task, p.level) == name and not p.failure]
    return svg.intervals(_once(rows), "accuracy of probes" + (f"; hollow: {reports[0].reference}; bar: chance" if len(reports) == 1 else "; bar: chance"))


def _once(rows: Sequence[svg.Dot]) -> list[svg.Dot]:
    """A group's name stands at its first row."""
    return [replace(r, label="") if k and r.label == rows[k - 1].label else r for k, r in enumerate(rows)]


def ladder(found: Report) -> str:
    if len(found.ladder) < 2:
        return ""
    rows = [svg.Dot(f"{r.scale}: {words.big(r.params)}", r.mean, r.se, svg.COLOURS[0], r.reference, r.reference_se) for r in found.ladder]
    return svg.intervals(rows, f"bits per byte from rung to rung; hollow: {found.reference}", digits=4)
