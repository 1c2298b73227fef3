"""Verified designs at one scale, against the references: scores, verdicts, and what is to be doubted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple
from urllib.parse import quote

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import shell
from app.widgets import report_figures as figures
from app.widgets.chart import chart
from app.widgets.table import Column, table
from core.desk import Desk
from core.report import RungCorrelation, Standing
from core.report.gather import Seeds, by_design, scored, spread
from core.report.words import cell
from core.types import Design, Kind, Verification

REFERENCE = "gpt2"
SHOWN = 20           # designs in the plot
RATES = {False: "the scale's", True: "its own"}
FAILED = 6           # failures told


def draw_results(desk: Desk, scale: str) -> None:
    st.subheader(f"Results at {scale}", anchor=False)
    draw_rungs()
    named = corpora(scale)
    if not named:
        st.caption(f"Nothing was verified at {scale} yet. Verify gpt2 first: every other score is read against it.")
    else:
        corpus = st.segmented_control("Corpus", list(named), format_func=named.get, default=next(iter(named)), required=True, key="results-corpus") if len(named) > 1 else next(iter(named))
        if rows := measured(scale, corpus).table:
            draw_table(scale, rows)
    draw_failures(desk.store.verifications.failed(scale, FAILED))


@dataclass(frozen=True)
class Line:
    """A design's seeds at one kind of learning rate: the scale's, or the one found for it. The two are never compared."""

    own_rate: bool
    design_id: str
    seeds: Seeds


@dataclass(frozen=True)
class Measured:
    """What was verified at one scale on one corpus, held against one reference. All visitors share it: it is read only."""

    lines: Sequence[Line]
    table: Sequence[dict]      # best first


def corpora(scale: str) -> Mapping[str, str]:
    """hash → name, the one on which most was measured first; two of one name are told apart by their hash."""
    return _corpora(shell.state(), scale)


def measured(scale: str, corpus_hash: str, reference: str = REFERENCE) -> Measured:
    return _measured(shell.state(), scale, corpus_hash, reference)


@st.cache_resource(max_entries=32, show_spinner=False)
def _corpora(state: tuple[str, ...], scale: str) -> dict[str, str]:
    rows = _counted(state, scale)
    names = {h: next(v.corpus for v in rows if v.corpus_hash == h) for h, _ in Counter(v.corpus_hash for v in rows).most_common()}
    shared = Counter(names.values())
    return {h: name if shared[name] == 1 else f"{name} ({h[:8]})" for h, name in names.items()}


@st.cache_resource(max_entries=32, show_spinner=False)
def _measured(state: tuple[str, ...], scale: str, corpus_hash: str, reference: str) -> Measured:
    lines = lines_of(_counted(state, scale), corpus_hash)
    return Measured(lines, results(lines, {d.id: d for d in shell.designs()}, compared(lines, scale, corpus_hash, reference), reference))


@st.cache_resource(max_entries=8, show_spinner=False)
def _counted(state: tuple[str, ...], scale: str) -> list[Verification]:
    return shell.desk().store.verifications.counted(scale)


def lines_of(done: Sequence[Verification], corpus_hash: str) -> list[Line]:
    """What was measured on one corpus, by design and kind of learning rate."""
    return [Line(own_rate, *one) for own_rate in (False, True) for one in by_design([v for v in done if v.corpus_hash == corpus_hash and v.own_rate is own_rate]).items()]


def compared(lines: Sequence[Line], scale: str, corpus_hash: str, reference: str) -> dict[tuple[bool, str], Standing | str]:
    """Each line with the reference's of its kind, or why that cannot be; without the reference nothing is said."""
    based = {line.own_rate for line in lines if line.design_id == reference}
    if not based:
        return {}
    found: dict[tuple[bool, str], Standing | str] = {
        (line.own_rate, line.design_id): f"{reference} has no run at {RATES[line.own_rate]} learning rate" for line in lines if line.own_rate not in based and line.design_id != reference}
    for own_rate in based:
        found |= {(own_rate, design): one for design, one in shell.desk().standings(scale, corpus_hash, own_rate, reference).items()}
    return found


def draw_rungs() -> None:
    """Whether a cheap rung foretells the next, from what this tree has verified: always in sight."""
    found = _rungs(shell.state())
    told = [f"{r.low} → {r.high} **{r.spearman:.2f}**" + (f" ({r.spearman_interval[0]:.2f} to {r.spearman_interval[1]:.2f})" if r.spearman_interval else "") + f", {r.n} designs"
            for r in found if r.spearman is not None]
    short = [f"{r.low} → {r.high}" for r in found if r.spearman is None]
    told += [f"not known yet {', '.join(short)}: three designs at both are needed"] if short else []
    st.markdown(f":small[:gray[Does a cheap rung foretell the next? {' · '.join(told) or 'Verify three designs at two scales, and their rank correlation stands here.'}]]",
                help="Spearman's rank correlation of the order of designs at one rung with their order at the next, from what this tree has verified: 1 the same, 0 none. "
                     "95 % in brackets, where five designs or more were measured at both.")


@st.cache_resource(max_entries=4, show_spinner=False)
def _rungs(state: tuple[str, ...]) -> list[RungCorrelation]:
    return shell.desk().rungs()


def draw_table(scale: str, rows: Sequence[dict], reference: str = REFERENCE) -> None:
    ticked = set(table(_columns(reference, rows), rows, "results-table", f"Results at {scale}, the best first", [str(row["first"]) for row in rows]))
    chosen = [row for row in rows if str(row["first"]) in ticked]
    left, right = st.columns([1, 1.2], gap="large")
    with left:
        with st.container(horizontal=True, vertical_alignment="center"):
            words = f"Compare {len(chosen)}" if len(chosen) > 1 else f"Report of {chosen[0]['design']}" if chosen else "Compare"
            if st.button(words, icon=":material/compare_arrows:", disabled=not chosen, key="compare", help="tick rows, then see them side by side"):
                shell.go("report", verifications=",".join(row["report"].partition("=")[2] for row in chosen))
            st.download_button("CSV", lambda: _frame(rows, reference).map(cell).to_csv(index=False), f"results-{scale}.csv", icon=":material/download:", on_click="ignore")
            st.download_button("JSON", lambda: _frame(rows, reference).to_json(orient="records", indent=1), f"results-{scale}.json", icon=":material/download:", on_click="ignore")
        st.caption("± of bits/byte: over seeds where there are two or more, else over held-out documents, which overstates the doubt of a comparison "
                   "on the same documents. Δ is paired, on the seeds that both have, so it need not be the difference of the means. A gain counts from two standard deviations of seed noise; on one seed that noise is of other designs, so have three before you believe it. "
                   "Not corrected for having tried many designs: the best of many looks better than it is. Runs at a learning rate found for the design are compared among themselves only.")
    with right:
        bars = tuple(Bar(row["design"] + ", own rate" * (row["rate"] == RATES[True]), row["bits/byte"], row["±"], row["doubts"], row["reference"]) for row in rows[:SHOWN])
        chart(_figure(bars), "results-figure", "Bits per byte of each design, the best first")


def _columns(reference: str, rows: Sequence[dict]) -> list[Column]:
    """What is known of no row has no column."""
    columns = [Column("design", to="page"), Column("title"), Column("rate", "learning rate"), Column("seeds", kind="number"),
               Column("bits/byte", kind="number", digits=4, error="±", help="bits per byte of held-out documents: lower is better"),
               Column("Δ", f"Δ {reference}", "number", 4, signed=True, error="± Δ", help="paired: on the seeds that both have; negative is better; ± of the seed noise"),
               Column("P(better)", kind="share", help=f"that it is truly better than {reference}, seed noise considered"), Column("verdict"), Column("doubts"),
               Column("minimal pairs", kind="number", digits=3, error="± pairs", help="share that it answers rightly; ± over items, and over seeds where there are several"),
               Column("parameters", kind="number"), Column("tokens/s", kind="number", help="in training"), Column("open", "report", to="report")]
    if all(row["rate"] == RATES[False] for row in rows):
        columns = [c for c in columns if c.key != "rate"]
    return [c for c in columns if any(row[c.key] not in (None, "") for row in rows)]


def _frame(rows: Sequence[dict], reference: str) -> pd.DataFrame:
    return pd.DataFrame(rows).drop(columns=["reference", "first", "scale", "page", "open"]).rename(columns={"Δ": f"Δ {reference}"})


def draw_failures(failed: Sequence[Verification]) -> None:
    """The newest of what ended without a score."""
    for v in failed:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f":material/close: {shell.plain(f'{v.design_id}, seed {v.seed}: {v.failure}')}", width="content")
            shell.link("report", "Report", verifications=str(v.id))


def results(lines: Sequence[Line], designs: dict[str, Design], told: dict[tuple[bool, str], Standing | str], reference: str = REFERENCE) -> list[dict]:
    """One row a design and kind of learning rate, those at the scale's first, best first."""
    rows = []
    for line in lines:
        design_id, seeds = line.design_id, line.seeds
        metrics = [v.metrics for v in seeds.values() if v.metrics]
        mean, se = scored(seeds)
        answer = told.get((line.own_rate, design_id))
        c = None if isinstance(answer, str) else answer
        scale = next(iter(seeds.values())).scale
        older = ["older code"] if not line.own_rate and scale in designs[design_id].older else []
        pairs = [m.tasks["minimal_pairs"] for m in metrics if "minimal_pairs" in m.tasks]
        rows.append({
            "design": design_id, "scale": scale, "rate": RATES[line.own_rate],
            "report": f"report?verifications={','.join(str(v.id) for _, v in sorted(seeds.items()))}", "title": designs[design_id].title,
            "seeds": len(seeds), "bits/byte": mean, "±": se, "Δ": c.difference if c else None, "± Δ": c.se if c else None,
            "P(better)": c.p_better if c else None, "verdict": str(c.verdict) if c else "the reference" if design_id == reference else "",
            "doubts": ", ".join([*doubts(seeds, c), *older, *([answer] if isinstance(answer, str) else [])]),
            "minimal pairs": fmean(p["acc"] for p in pairs) if pairs else None,
            "± pairs": math.hypot(fmean(p["acc_stderr"] for p in pairs), spread([p["acc"] for p in pairs]) or 0.0) if pairs else None,
            "parameters": metrics[0].params, "tokens/s": round(fmean(m.tokens_per_s for m in metrics)),
            "reference": designs[design_id].kind is Kind.REFERENCE, "first": min(seeds.items())[1].id, "page": f"design?design={quote(design_id)}", "open": "open"})
    return sorted(rows, key=lambda r: (r["rate"] == RATES[True], r["bits/byte"]))


def doubts(seeds: Seeds, c: Standing | None) -> list[str]:
    """What a reader of the row must know, in a word or two each."""
    told = ["⚠ suspicious: to be audited"] if c and c.suspicious else []
    told += ["one seed"] if len(seeds) == 1 else ["one seed in common"] if c and c.shared == 1 else []
    told += ["no seed in common"] if c and not c.paired else []
    return told


class Bar(NamedTuple):
    """One design of the plot."""

    name: str
    score: float
    error: float
    doubts: str
    reference: bool


@st.cache_resource(max_entries=32, show_spinner=False)
def _figure(bars: tuple[Bar, ...]) -> go.Figure:
    series = [figures.Series(name, colour, [b.score if b.reference is wanted else None for b in bars], [b.error for b in bars], notes=[b.doubts for b in bars])
              for name, colour, wanted in (("references", figures.style(0)[0], True), ("designs", figures.style(2)[0], False)) if any(b.reference is wanted for b in bars)]
    return figures.on_one_line(figures.intervals([b.name for b in bars], series, "bits per byte, held out (lower is better)", digits=4))
