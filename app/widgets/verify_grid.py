"""Designs × scales: what is measured, runs, waits, can be paid for. Tick cells, see the cost, verify them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import streamlit as st

from app import shell
from app.widgets import choose
from app.widgets.cells import Row, cells
from app.widgets.roles import may
from app.widgets.verify_form import parse_seeds
from core.desk import Desk
from core.planning import Cell, Place
from core.types import Design

MARKS = {Cell.RUNNING: "▶", Cell.QUEUED: "…", Cell.DONE: "✓", Cell.OPEN: "○", Cell.DEAR: "no budget", Cell.WITHOUT_CODE: "no code"}
SHOWN = 200          # rows
FREE = (Cell.OPEN, Cell.DONE)


def draw_grid(desk: Desk) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input("Search", key="grid-search", placeholder="title, id, author", width=220).lower()
        told = st.text_input("Seeds", "0", key="grid-seeds", width=110, help="0 or 0,1,2 or 0-4: the same for every cell, so that comparisons are paired")
        scales = st.multiselect("Scales", list(desk.scales), default=list(desk.scales)[:5], key="grid-scales", placeholder="choose one")
    seeds: list[int] = []
    with shell.worded():
        seeds = parse_seeds(told)
    found = [d for d in choose.able().values() if words in f"{d.id} {d.title} {d.author}".lower()]
    found.sort(key=lambda d: next(((-i, d.scores[s]) for i, s in reversed(list(enumerate(desk.scales))) if s in d.scores), (1, 0.0)))
    grid = desk.grid(found[:SHOWN], scales)
    ticked = cells(scales, [Row(d.id, d.title, [(str(p.cell), mark(p)) for p in row]) for d, row in zip(found, grid, strict=False)], "verify-grid", "Designs and the scales at which they are measured")
    if not found or not scales:
        st.info("No design with checked code fits." if scales else "Choose a scale.", icon=":material/filter_alt_off:")
    st.caption("✓ measured: mean bits per byte (seeds) · ▶ runs · … waits · ○ can be verified · older code: measured before its code changed · held back: too good before an audit · tick a cell, a row, a column, or drag over several; with the keys: arrows and Space" + (f" · the first {SHOWN} of {len(found)}" if len(found) > SHOWN else ""))
    places = {(p.design, p.scale): p for row in grid for p in row}
    if hidden := len([at for at in ticked if at not in places]):
        st.caption(f":orange[{hidden} ticked cell{'s are' if hidden > 1 else ' is'} not in sight, and not counted. Escape in the grid lets go of all.]")
    draw_chosen(desk, [places[at] for at in ticked if at in places], seeds, {d.id: d for d in found[:SHOWN]})


def _above(desk: Desk, designs: Sequence[Design], seeds: Sequence[int]) -> dict[str, dict[str, int]]:
    """Scale → design → trainings, of those that have a rung above them and something to train there."""
    by_scale: dict[str, list[str]] = defaultdict(list)
    for design in designs:
        if scale := desk.next_scale(design):
            by_scale[scale].append(design.id)
    return {scale: lacking for scale, names in by_scale.items() if (lacking := desk.to_train(names, scale, seeds))}


def mark(place: Place) -> str:
    """What a cell says."""
    measured = f"✓ {place.score:.4f} ({place.seeds})" + " older code" * place.older if place.score is not None else "⚠ held back" if place.held_back else ""
    if place.cell is Cell.RUNNING:
        return f"▶ {place.progress:.0%}" + (f" · {measured}" if measured else "")
    if place.cell is Cell.QUEUED:
        return "… waits" + (f" · {measured}" if measured else "")
    return measured or MARKS[place.cell]


def draw_chosen(desk: Desk, chosen: Sequence[Place], seeds: Sequence[int], designs: Mapping[str, Design]) -> None:
    able = [p for p in chosen if p.cell in FREE]
    by_scale: dict[str, list[str]] = defaultdict(list)
    for p in able:
        by_scale[p.scale].append(p.design)
    lacking = {scale: desk.to_train(names, scale, seeds) for scale, names in by_scale.items()}
    needed = sum(sum(of.values()) for of in lacking.values())
    short = [s for s, of in lacking.items() if desk.store.ledger.account(s).left < sum(of.values())]
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(f"Verify {needed or ''}".strip(), type="primary", icon=":material/play_arrow:", key="grid-verify",
                     **may("verify", disabled=not needed or bool(short))) and shell.act(
                lambda: [desk.verify(names, scale, seeds) for scale, names in by_scale.items()], f"{needed} queued"):
            st.rerun()
        climbers = list(dict.fromkeys(p.design for p in chosen if p.cell is not Cell.WITHOUT_CODE))
        above = _above(desk, [designs[i] for i in climbers], seeds)
        higher = sum(sum(of.values()) for of in above.values())
        dear = [s for s, of in above.items() if desk.store.ledger.account(s).left < sum(of.values())]
        times = {s: desk.estimate(list(of), s, of) for s, of in above.items()}
        told = ", ".join(f"{sum(of.values())} at {s}, {shell.about(times[s].seconds, [times[s].remark])}" for s, of in above.items())
        if st.button(f"To the next scale{f' · {told}' if told else ''}", icon=":material/stairs:", key="grid-climb",
                     **may("climb", "each design of the ticked cells, one rung above the largest at which it was measured" + (f"; the budget of {', '.join(dear)} is too small" if dear else ""),
                           disabled=not higher or bool(dear))) and shell.act(lambda: desk.climb(list(dict.fromkeys(i for of in above.values() for i in of)), seeds), f"{higher} queued"):
            st.rerun()
        if needed:
            times = {scale: desk.estimate(list(of), scale, of) for scale, of in lacking.items() if of}
            about = shell.about(sum(found.seconds for found in times.values()), [f"{scale} {found.remark}" for scale, found in times.items() if found.remark])
            budgets = ", ".join(f"{desk.store.ledger.account(s).left - sum(of.values()):g} left at {s}" for s, of in lacking.items())
            st.caption(f"{about}; afterwards {budgets}" if not short else f":orange[the budget of {', '.join(short)} is too small: raise it under Budgets]", width="content")
        elif not chosen:
            st.caption("Nothing is ticked.", width="content")
        elif able and seeds:
            st.caption("All of these seeds are measured already.", width="content")
