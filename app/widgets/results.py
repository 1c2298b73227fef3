"""Verified designs at one scale, against the references."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean, stdev

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import shell
from core.desk import Desk
from core.types import Design, Kind, Verification

REFERENCE = "gpt2"


def draw_results(desk: Desk, designs: list[Design], scale: str) -> None:
    done = [v for v in desk.store.verifications.all(scale) if v.metrics]
    st.subheader(f"Results at {scale}", anchor=False)
    if not done:
        st.caption(f"Nothing was verified at {scale} yet. Verify gpt2 first: every other score is read against it.")
        return
    corpora = sorted({v.corpus for v in done}, key=lambda name: -sum(v.corpus == name for v in done))
    corpus = st.segmented_control("Corpus", corpora, default=corpora[0], key="results-corpus") if len(corpora) > 1 else corpora[0]
    table = results([v for v in done if v.corpus == corpus], {d.id: d for d in designs})
    if not table:
        return
    frame = pd.DataFrame(table)
    left, right = st.columns([1.7, 1], gap="medium")
    with left:
        st.dataframe(frame.drop(columns="reference"), hide_index=True, column_config={
            **{k: st.column_config.NumberColumn(format="%.4f") for k in ("bits/byte", "±")},
            f"Δ {REFERENCE}": st.column_config.NumberColumn(format="%+.4f", help="paired: on the seeds that both have; negative is better"),
            "minimal pairs": st.column_config.NumberColumn(format="%.3f"), "± pairs": st.column_config.NumberColumn(format="%.3f"),
            "parameters": st.column_config.NumberColumn(format="localized"), "tokens/s": st.column_config.NumberColumn(format="localized")})
        st.download_button("CSV", frame.to_csv(index=False), f"results-{scale}.csv", icon=":material/download:")
        st.caption("± of bits/byte: over seeds where there are two or more, else over held-out documents, which overstates the doubt of a comparison "
                   "on the same documents. A gain counts from two standard deviations of seed noise; one seed decides nothing.")
    with right:
        st.plotly_chart(_figure(table), key="results-figure", config={"displayModeBar": False})


def results(done: list[Verification], designs: dict[str, Design]) -> list[dict]:
    """One row a design, best first."""
    by_design: dict[str, dict[int, Verification]] = defaultdict(dict)
    for v in done:
        by_design[v.design_id][v.seed] = v
    base = {seed: v.metrics.bits_per_byte for seed, v in by_design.get(REFERENCE, {}).items() if v.metrics}
    rows = []
    for design_id, seeds in by_design.items():
        metrics = [v.metrics for v in seeds.values() if v.metrics]
        scores = [m.bits_per_byte for m in metrics]
        paired = [v.metrics.bits_per_byte - base[seed] for seed, v in seeds.items() if v.metrics and seed in base]
        pairs = [m.tasks["minimal_pairs"] for m in metrics if "minimal_pairs" in m.tasks]
        rows.append({
            "design": design_id, "title": designs[design_id].title, "seeds": len(seeds), "bits/byte": fmean(scores),
            "±": stdev(scores) / len(scores) ** 0.5 if len(scores) > 1 else metrics[0].bits_per_byte_se,
            f"Δ {REFERENCE}": fmean(paired) if paired and design_id != REFERENCE else None,
            "minimal pairs": fmean(p["acc"] for p in pairs) if pairs else None,
            "± pairs": fmean(p["acc_stderr"] for p in pairs) / len(pairs) ** 0.5 if pairs else None,
            "parameters": metrics[0].params, "tokens/s": round(fmean(m.tokens_per_s for m in metrics)),
            "reference": designs[design_id].kind is Kind.REFERENCE})
    return sorted(rows, key=lambda r: r["bits/byte"])


def _figure(table: list[dict]) -> go.Figure:
    rows = table[:20][::-1]
    fig = go.Figure(go.Scatter(
        x=[r["bits/byte"] for r in rows], y=[r["design"] for r in rows], mode="markers",
        error_x={"type": "data", "array": [r["±"] for r in rows], "thickness": 1.2, "color": "rgba(128,140,155,0.8)"},
        marker={"size": 10, "symbol": ["square" if r["reference"] else "circle" for r in rows],
                "color": [shell.STATUS_COLOURS["verified"] if not r["reference"] else "#0072B2" for r in rows]},
        hovertemplate="%{y}: %{x:.4f} bits/byte<extra></extra>"))
    fig.update_layout(height=max(180, 60 + 34 * len(rows)), margin={"l": 8, "r": 8, "t": 8, "b": 8}, xaxis_title="bits per byte, held out",
                      yaxis={"type": "category"})
    return fig
