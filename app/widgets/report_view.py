"""A report on the screen: the verdict first, then what it rests on."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from app import shell
from app.widgets import report_figures as figures
from app.widgets.chart import chart
from app.widgets.curves import curve_figure
from app.widgets.roles import may
from core.desk import Desk
from core.report import Report, words
from core.report.verdict import queue_more

BAND_FROM = 3        # references from which their curves are drawn as a band
HASH = re.compile(r"\b([0-9a-f]{16})[0-9a-f]{48}\b")


def draw_one(desk: Desk, found: Report) -> None:
    draw_verdict(desk, found)
    draw_warnings([found])
    draw_metrics(found)
    left, right = st.columns([1.25, 1], gap="large")
    with left:
        draw_curves([found])
    with right:
        if found.peers:
            section(f"Against the others at {found.scale}", "± one standard error: over seeds where there are several, else over held-out documents, which "
                    "overstates the doubt of a comparison on the same documents. Means over different seeds are not paired: the verdict is.")
            chart(figures.scores(found), f"scores-{found.verification}", f"Bits per byte of this and of the others at {found.scale}")
    left, right = st.columns([1.25, 1], gap="large")
    with left:
        draw_tasks([found])
        draw_ladder([found])
    with right:
        draw_probes([found])
    rows = words.cost_rows(found)
    left, right = st.columns([1, 1.25], gap="large") if rows else (None, st.container())
    if left is not None:
        with left:
            section("Cost")
            pairs("cost", rows)
            shell.ask_price()
    with right:
        draw_made_with(found)


def draw_many(reports: Sequence[Report]) -> None:
    draw_warnings(reports)
    draw_scores_table(reports)
    left, right = st.columns([1.25, 1], gap="large")
    with left:
        draw_curves(reports)
    with right:
        draw_scores_plot(reports)
        draw_ladder(reports)
    left, right = st.columns([1.25, 1], gap="large")
    with left:
        draw_tasks(reports)
    with right:
        draw_probes(reports)
    section("Cost")
    st.dataframe(cost_table(reports), hide_index=True, placeholder="")


# --------------------------------------------------------------------------------------------------------- the verdict


def draw_verdict(desk: Desk, found: Report) -> None:
    with st.container(border=True):
        icon, colour = mark(found)
        st.markdown(f"### :{colour}[:material/{icon}:] {shell.plain(words.headline(found))}")
        if found.comparison is not None:
            st.markdown(shell.plain(words.reasons(found)))
            st.caption(shell.plain("; ".join(words.notes(found))))
        if found.score:
            st.caption(shell.plain(words.score_line(found) + "."))
            if t := found.score.test:
                st.markdown(f":material/lock_open: Locked test split: **{words.figure(t.bits_per_byte, t.bits_per_byte_se)}** bits per byte over {t.documents:,} documents, "
                            f"promoted by {shell.plain(t.author)}, {shell.ago(t.created_at)}.")
        draw_next_steps(desk, found)


def mark(found: Report) -> tuple[str, str]:
    """(icon, colour) of a verdict. Blue and orange are told apart by everybody."""
    if found.state in ("failed", "stopped early") or any(w.grave for w in found.warnings):
        return "error", "orange"
    if found.comparison is None:
        return "help", "gray"
    return {"better": ("trending_down", "blue"), "worse": ("trending_up", "orange")}.get(str(found.comparison.verdict), ("drag_handle", "gray"))


def draw_next_steps(desk: Desk, found: Report) -> None:
    """What a person may do about it: more seeds, the audit, probes, the locked test split."""
    told = found.comparison
    with st.container(horizontal=True, vertical_alignment="center"):
        if told is not None and told.more_seeds:
            n = len(told.more_seeds)
            time = f": {words.took(told.more_seconds)}" if told.more_seconds else ""
            if st.button(f"Queue {words.count(n)} more seed{'s' * (n > 1)}{time}", icon=":material/add:", key=f"more-{found.verification}", **may("verify")) and shell.act(
                    lambda: queue_more(desk, found), "queued"):
                st.rerun()
        if told is None and found.state == "done" and found.design.id != found.reference:
            shell.link("verify", f"Verify {found.reference} at {found.scale}", ":material/science:", designs=found.reference, scale=found.scale)
        if found.suspect is not None and not found.suspect.counts and st.button(
                "Audit its weights", icon=":material/policy:", key=f"audit-{found.verification}", **may("audit", "the deep causality audit; the score counts when it passes")) and shell.act(
                lambda: desk.audit(found.verification), "queued"):
            st.rerun()
        if found.score and not found.probes:
            draw_probe_choice(desk, found)
        if found.score and found.score.test is None and (found.suspect is None or found.suspect.counts):
            draw_promotion(desk, found)


def draw_probe_choice(desk: Desk, found: Report) -> None:
    with st.popover("Probe it", icon=":material/biotech:"):
        suite = st.selectbox("Suite", list(desk.suites), key=f"suite-{found.verification}", format_func=lambda s: f"{s} · {desk.suites[s].about}")
        if st.button("Run the probes", key=f"probe-{found.verification}", type="primary", **may("probe")) and shell.act(lambda: desk.probe([found.design.id], suite), "queued"):
            st.rerun()


def draw_promotion(desk: Desk, found: Report) -> None:
    """The locked test split, once, with a reason."""
    with st.popover("Promote", icon=":material/lock_open:", help="score it on the locked test split"):
        looks = desk.test_looks(found.corpus_hash)
        st.markdown(f"Scores this verification on the **locked test split**, once. That split was looked at {looks} time{'s' * (looks != 1)} so far; each look weakens what it proves.")
        reason = st.text_input("Why?", key=f"why-{found.verification}", placeholder="for instance: better than gpt2 over five seeds at two scales")
        if st.button("Promote it", key=f"promote-{found.verification}", type="primary", **may("promote")) and shell.act(lambda: desk.promote(found.verification, reason), "queued"):
            st.rerun()


def draw_warnings(reports: Sequence[Report]) -> None:
    """One box, gravest first; of several reports each line names its own."""
    told: dict[tuple[bool, str], list[str]] = {}
    for r in reports:
        for w in r.warnings:
            if len(reports) == 1 and w.kind == r.state:  # the first line says so
                continue
            told.setdefault((w.grave, w.words), []).append(figures.label(r, reports))
    for name, values in (("scale", {r.scale for r in reports}), ("corpus", {r.corpus_hash for r in reports})):
        if len(values) > 1:
            shown = sorted({r.corpus if name == "corpus" else r.scale for r in reports})
            told[True, f"measured at more than one {name} ({', '.join(shown)}): their scores are not to be compared"] = []
    if not told:
        return
    lines = []
    for (grave, said), of in sorted(told.items(), key=lambda item: not item[0][0]):
        whose = f" ({', '.join(of)})" if len(reports) > 1 and of and len(of) < len(reports) else ""
        lines.append(f"- {'**' if grave else ''}{shell.plain(_sentence(said) + whose)}{'**' if grave else ''}")
    st.warning("\n".join(lines), icon=":material/warning:")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def draw_metrics(found: Report) -> None:
    s, c = found.score, found.cost
    if s is None or c is None:
        return
    with st.container(horizontal=True, gap="medium"):
        st.metric("bits per byte", words.figure(s.mean if s.se_seeds is not None else s.bits_per_byte, s.se), width="content")
        st.metric("perplexity a token", f"{s.perplexity:,.1f}", width="content")
        if whole := next((t for t in found.tasks if t.metric == "acc"), None):
            st.metric(whole.task.replace("_", " "), words.figure(whole.value, whole.se, 3), width="content")
        st.metric("parameters", words.big(c.params), help=f"without embeddings; {c.params_embedding:,} embedding parameters besides", width="content")
        st.metric("trained in", words.took(c.train_seconds), width="content")
        st.metric("tokens a second", f"{c.tokens_per_s:,.0f}", width="content")


# ------------------------------------------------------------------------------------------------------------ sections


def section(title: str, help: str = "") -> None:
    st.markdown(f"##### {title}", help=help or None)


def pairs(name: str, rows: Sequence[tuple[str, str]]) -> None:
    st.container(key=f"pairs-{name}").markdown("| | |\n|---|---|\n" + "\n".join(f"| {shell.plain(name)} | {shell.plain(value)} |" for name, value in rows))


def draw_curves(reports: Sequence[Report]) -> None:
    section("Curve" if len(reports) == 1 else "Curves", "Lines: bits per byte of the training text, smoothed. Dots: the watched held-out documents.")
    shown = {r.verification for r in reports}
    alike = len({(r.scale, r.corpus_hash) for r in reports}) == 1
    others = {c.verification: c for r in reports for c in r.references if c.verification not in shown and alike}
    named = [c for c in others.values() if c.design == reports[0].reference or len(others) < BAND_FROM]
    fig = curve_figure([*((figures.label(r, reports) if len(reports) > 1 else r.design.id, r.curve.points, False) for r in reports),
                        *((c.design, c.points, True) for c in named)], [c.points for c in others.values()] if len(others) >= BAND_FROM else ())
    if not fig.data:
        st.caption("There are no points yet.")
        return
    chart(fig, f"curves-{'-'.join(map(str, sorted(shown)))}", "Loss curves: bits per byte over training tokens")


def draw_tasks(reports: Sequence[Report]) -> None:
    if not any(r.tasks or r.state == "done" for r in reports):
        return
    section("Tasks", "Accuracy of one seed with its standard error, which is over items: seed noise is not in it. The upright bar is true chance, computed from the items. Small-scale accuracies are mostly noise.")
    fig = figures.tasks(reports)
    if fig is None and not any(r.tasks for r in reports):
        st.caption("No task was scored.")
        return
    if fig is not None:
        chart(fig, f"tasks-{reports[0].verification}-{len(reports)}", "Accuracy on each task, with its chance")
    with st.expander("As a table"):
        st.dataframe(task_table(reports), hide_index=True, placeholder="", column_config={
            k: st.column_config.NumberColumn(format="%.3f") for k in ("value", "±", "chance", "reference", "difference", "± difference")})
        if any(t.paired for r in reports for t in r.tasks):
            st.caption(f"Differences to {reports[0].reference} are paired: item by item, on the same items.")
        if any(words.of_items_only(r.tasks) for r in reports):
            st.caption(f"Differences of one seed are {words.ONE_SEED}.")


def draw_probes(reports: Sequence[Report]) -> None:
    suites = list(dict.fromkeys(p.suite for r in reports for p in r.probes))
    if not suites:
        return
    section("Probes", "Generated tasks that tell architectures apart in minutes; the best of a small sweep of learning rates.")
    for suite in suites:
        if len(suites) > 1:
            st.caption(suite)
        chart(figures.probes(reports, suite), f"probes-{suite}-{reports[0].verification}-{len(reports)}", f"Probes of {suite}")
    failed = [f"{figures.label(r, reports)}, {p.task} {p.level}: {p.failure}" for r in reports for p in r.probes if p.failure]
    for line in failed:
        st.caption(shell.plain(line))


def draw_ladder(reports: Sequence[Report]) -> None:
    if not any(r.scaling and r.scaling.curves for r in reports):
        return
    section("Ladder", "Level and slope: designs cross from rung to rung. Dots ± one standard error; curves with their 95 % bands.")
    chart(figures.ladder(reports), f"ladder-{reports[0].verification}-{len(reports)}", "The ladder: bits per byte over parameters, with fits")
    for line in dict.fromkeys(line for r in reports for line in words.scaling_lines(r)):
        st.caption(shell.plain(f"{line}."))


def draw_made_with(found: Report) -> None:
    rows = words.made_with(found)
    if not rows:
        return
    section("Made with")
    pairs("made", [(name, HASH.sub(r"\1…", value)) for name, value in rows])
    with st.expander("All of it"):
        st.json(found.provenance)


# -------------------------------------------------------------------------------------------------------- side by side


def draw_scores_table(reports: Sequence[Report]) -> None:
    rows = []
    for r in reports:
        s, v = r.score, r.comparison
        rows.append({"design": figures.label(r, reports), "verification": r.verification, "scale": r.scale, "seed": r.seed, "corpus": r.corpus,
                     "bits/byte": s.bits_per_byte if s else None, "± documents": s.se_documents if s else None, "seeds": len(s.seeds) if s else 0,
                     "mean": s.mean if s else None, "± seeds": s.se_seeds if s else None, f"Δ {r.reference}": v.difference if v else None,
                     "P(better)": v.p_better if v else None, "verdict": words.headline(r)})
    number = st.column_config.NumberColumn
    st.dataframe(rows, hide_index=True, placeholder="", key="side-by-side", column_config={
        **{k: number(format="%.4f") for k in ("bits/byte", "± documents", "mean", "± seeds")}, f"Δ {reports[0].reference}": number(format="%+.4f"),
        "P(better)": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent"), "verdict": st.column_config.TextColumn(width="large")})


def draw_scores_plot(reports: Sequence[Report]) -> None:
    scored = [r for r in reports if r.score]
    if not scored:
        return
    section("Scores", "Each with ± one standard error: over seeds where there are several, else over held-out documents.")
    rows = [figures.label(r, reports) for r in scored]
    series = [figures.Series(row, figures.style(reports.index(r))[0], [r.score.mean if k == i else None for k in range(len(rows))], [r.score.se] * len(rows))
              for i, (row, r) in enumerate(zip(rows, scored, strict=True))]
    fig = figures.on_one_line(figures.intervals(rows, series, "bits per byte, held out (lower is better)", digits=4)).update_layout(showlegend=False)
    chart(fig, "side-by-side-scores", "Bits per byte of each, with its error")


def task_table(reports: Sequence[Report]) -> list[dict]:
    return [{**({"design": figures.label(r, reports)} if len(reports) > 1 else {}), "task": t.task, "metric": t.metric, "value": t.value, "±": t.se, "chance": t.chance,
             "items": t.n, "reference": t.reference, "difference": t.difference, "± difference": t.difference_se} for r in reports for t in r.tasks]


def cost_table(reports: Sequence[Report]) -> list[dict]:
    return [{"design": figures.label(r, reports), **dict(words.cost_rows(r))} for r in reports if r.cost]
