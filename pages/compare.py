"""Compare: any designs against a chosen reference — table, curves, ladder, Pareto front, tasks, code — with saved views."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import shell
from app.widgets import choose, views
from app.widgets import compare_figures as figures
from app.widgets.chart import chart
from app.widgets.curves import curve_figure
from app.widgets.diff import draw_diff
from app.widgets.results import Line, corpora, draw_table, measured
from core.desk import Desk
from core.report import words
from core.types import Design, Verification

REFERENCE = "gpt2"
PARTS = ("Table", "Curves", "Ladder", "Pareto front", "Tasks", "Code")
PNG = {"displaylogo": False, "modeBarButtons": [["toImage"]], "toImageButtonOptions": {"format": "png", "scale": 2, "filename": "model-discovery"}}
DRAWN = 8            # curves at once


def main() -> None:
    desk = shell.desk()
    designs = {d.id: d for d in shell.designs()}
    there = {s for d in designs.values() for s in d.scores}
    scales = [s for s in desk.scales if s in there]
    if not scales:
        st.info("Nothing was verified yet. Verify gpt2 and one other design at `nano`, about a minute each, and they are compared here.", icon=":material/leaderboard:")
        shell.link("verify", "Verify", ":material/science:", designs="gpt2,llama")
        return
    scale, reference, chosen, part = pick(desk, designs, scales)
    named = corpora(scale)
    corpus = st.segmented_control("Corpus", list(named), format_func=named.get, default=next(iter(named)), required=True, key="compare-corpus") if len(named) > 1 else next(iter(named), "")
    found, wanted = measured(scale, corpus, reference), {*chosen, reference}
    lines = [line for line in found.lines if not chosen or line.design_id in wanted]
    table = [row for row in found.table if not chosen or row["design"] in wanted]
    if not lines:
        st.info(f"None of these was verified at {scale}.", icon=":material/filter_alt_off:")
        return
    if part == "Table":
        draw_table(scale, table, reference)
    elif part == "Curves":
        draw_curves(desk, table, lines, reference)
    elif part == "Ladder":
        draw_ladder(desk, table, corpus)
    elif part == "Pareto front":
        draw_pareto(desk, table)
    elif part == "Tasks":
        draw_tasks(lines, table, reference)
    else:
        draw_codes(desk, table)


def pick(desk: Desk, designs: dict[str, Design], scales: Sequence[str]) -> tuple[str, str, list[str], str]:
    """What is compared; it stands in the address, so that a link leads to the same."""
    scored = {d.id: d for d in designs.values() if d.scores}
    measured = list(scored)
    follow_link(scales, measured)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        scale = st.selectbox("Scale", scales, key="compare-scale", width=120)
        reference = choose.one("Against", scored, "compare-reference", found_by="compare-designs", width=210)
        chosen = choose.several("Designs", scored, "compare-designs", lambda d: f"{d.id} · {d.title[:40]}", "all that were measured: the leaderboard")
        said = {"scale": scale, "reference": reference, "designs": ",".join(chosen), "part": st.session_state["compare-part"]}
        views.draw_views(desk, "compare", said)
    draw_stand_in(reference, measured)
    if lacking := st.session_state.get("compare-lacking"):
        st.caption(f":material/link_off: The link names what is not here, or was not measured yet: {shell.plain(', '.join(map(shell.short, lacking[:6])))}{' …' * (len(lacking) > 6)}.")
    part = st.segmented_control("Part", PARTS, required=True, key="compare-part", label_visibility="collapsed") or PARTS[0]
    shell.address({**said, "part": part}, {"scale": scales[-1], "reference": usual(measured), "part": PARTS[0]})
    if linked() != st.session_state["compare-said"]:
        st.session_state["compare-said"] = linked()
        st.session_state.pop("compare-lacking", None)        # the visitor has gone on from there
    return scale, reference, chosen, part


def draw_stand_in(reference: str, measured: Sequence[str]) -> None:
    """Which reference is used where the usual one cannot be, and why."""
    if REFERENCE in measured:
        return
    why = "the first design that was" if reference == measured[0] else "which you chose"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{REFERENCE}, the usual reference, was not measured yet: all are held against {shell.plain(reference)}, {why}.", width="content")
        shell.link("verify", f"Verify {REFERENCE}", ":material/science:", designs=REFERENCE)


def follow_link(scales: Sequence[str], measured: Sequence[str]) -> None:
    """What the address says goes into the choices when a link has changed it; what it names that is not there is left out, and told."""
    query = linked()
    if query == st.session_state.get("compare-said") and "compare-scale" in st.session_state:
        return
    st.session_state["compare-said"] = query
    scale, against, part = query["scale"], query["reference"], query["part"]
    designs = [d for d in query["designs"].split(",") if d]
    st.session_state["compare-lacking"] = [*(s for s in (scale,) if s and s not in scales), *(d for d in dict.fromkeys((against, *designs)) if d and d not in measured),
                                           *(p for p in (part,) if p and p not in PARTS)]
    st.session_state["compare-scale"] = scale if scale in scales else scales[-1]
    st.session_state["compare-reference"] = against if against in measured else usual(measured)
    st.session_state["compare-designs"] = [d for d in designs if d in measured]
    st.session_state["compare-part"] = part if part in PARTS else PARTS[0]


def linked() -> dict[str, str]:
    """What the address says."""
    return {key: st.query_params.get(key, "") for key in ("scale", "reference", "designs", "part")}


def usual(measured: Sequence[str]) -> str:
    """The reference, where no other was chosen."""
    return REFERENCE if REFERENCE in measured else measured[0]


def draw_curves(desk: Desk, table: list[dict], lines: Sequence[Line], reference: str) -> None:
    """The first seed of each, the best first."""
    seeds = {(line.own_rate, line.design_id): line.seeds for line in lines}
    rows = table[:DRAWN]
    shown = [(r["design"] + ", own rate" * (r["rate"] != "the scale's"), desk.store.curves.of(min(seeds[r["rate"] != "the scale's", r["design"]].items())[1].id), r["design"] == reference) for r in rows]
    chart(curve_figure(shown), "compare-curves", "Loss curves: bits per byte over training tokens", PNG)
    st.caption(f"One seed each. Lines: training text, smoothed; dots: watched held-out documents; dotted grey: {shell.plain(reference)}." + (f" The best {DRAWN} of {len(table)}." if len(table) > DRAWN else ""))


def draw_ladder(desk: Desk, table: list[dict], corpus: str) -> None:
    by = st.segmented_control("Over", ["parameters", "FLOPs"], default="parameters", required=True, key="compare-over", label_visibility="collapsed")
    found = desk.ladder([r["design"] for r in table][:DRAWN], corpus, by == "FLOPs")
    if not found.curves:
        st.info("A curve needs two scales. Verify one of these designs at another scale" + (", and have its costs counted." if by == "FLOPs" else "."), icon=":material/stairs:")
        return
    chart(figures.ladder(found, "FLOPs of the whole training" if by == "FLOPs" else "parameters, without embeddings"), "compare-ladder", f"The ladder: bits per byte over {by}, with fits", PNG)
    for line in words.ladder_lines(found, "FLOPs" if by == "FLOPs" else "parameters"):
        st.markdown(shell.plain(line) + ".")
    if found.without:
        st.caption(f"Without a curve, since measured at one scale only: {shell.plain(', '.join(found.without))}.")


def draw_pareto(desk: Desk, table: list[dict]) -> None:
    """What is best for what it costs."""
    axes = figures.costs(desk.costs, [r for r in table if r["rate"] == "the scale's"])
    over = st.segmented_control("Over", list(axes), default=next(iter(axes)), required=True, key="compare-cost", label_visibility="collapsed") or next(iter(axes))
    if not axes[over]:
        st.info("None of these has that counted yet.", icon=":material/calculate:")
        return
    chart(figures.pareto(axes[over], over), "compare-pareto", f"Bits per byte against {over}, with the Pareto front", PNG)
    best = figures.front(axes[over])
    st.caption(f"On the front, cheapest first: {', '.join(shell.plain(p.design) for p in best)}. No other is both cheaper and better; ± one standard error is drawn, and near ties are ties.")


def draw_tasks(lines: Sequence[Line], table: list[dict], reference: str) -> None:
    rows: dict[str, list[Verification]] = {line.design_id: list(line.seeds.values()) for line in lines if not line.own_rate}
    found = figures.task_table({r["design"]: rows[r["design"]] for r in table if r["design"] in rows})
    if not found.tasks:
        st.info("No task was evaluated at this scale. Choose tasks when you verify.", icon=":material/quiz:")
        return
    st.plotly_chart(figures.heat(found), key="compare-tasks", config=PNG)
    st.caption("Accuracy as the share of the way from chance (0) to all right (1), the mean over seeds; the number is the accuracy itself.")


def draw_codes(desk: Desk, table: list[dict]) -> None:
    names = [r["design"] for r in table]
    with st.container(horizontal=True):
        left = st.selectbox("From", names, index=min(1, len(names) - 1), key="compare-from", width=260)
        right = st.selectbox("To", names, key="compare-to", width=260)
    before, after = (desk.store.implementations.newest(n) for n in (left, right))
    if before and after:
        draw_diff(before.code, after.code, "compare-code", "python")


main()
