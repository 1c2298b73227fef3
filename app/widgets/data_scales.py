"""The ladder: each scale with its sizes and times, as a table and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
import streamlit as st

from app.widgets.chart import chart
from core.desk import Desk, RungFacts

BLUE, ORANGE = "#0072B2", "#E69F00"          # of Okabe & Ito, as everywhere
EXAMPLE = """mine:
  {n_layers: 8, d_model: 256, context: 512, vocab_size: 4096, tokens: 8192000, batch_tokens: 8192, lr: 1.5e-3, tolerance: 0.2,
   eval_tokens: 131072, minutes: 20}"""


def draw_scales(desk: Desk) -> None:
    rungs = desk.ladder_facts()
    draw_table(rungs)
    if any(r.params is None for r in rungs):
        st.caption("Parameters and FLOPs of some scales are not counted yet: press “Count” on the reference's page in the Library, or run `python -m core costs gpt2`.")
    left, right = st.columns([1.3, 1], gap="large")
    with left:
        draw_plot(rungs)
    with right:
        st.caption("Parameters (without embeddings) and FLOPs are those of gpt2, the reference, to whose size every design is fitted. Minutes here: the median of its verifications on this kind of "
                   "machine, or a timed run; guessed: what the file says, for the machine named in it. At nano and micro far fewer than 20 tokens a parameter are seen: they screen, they do not decide.")
        with st.expander("Add or change a scale", icon=":material/edit_note:"):
            st.markdown(f"The ladder is one file: `{desk.config.scales_file}`. Add an entry between the rungs it lies between (cheapest first), then start app and workers again. `SCALES_FILE` names another file.")
            st.code(EXAMPLE, language="yaml")
            st.caption("`batch_tokens` holds whole contexts. Besides: warmup, weight_decay, optimizer (adamw, muon), schedule (cosine, wsd), precision, compile, tokenizer, probes (a suite that a run asks first), minutes_on (the machine of `minutes`). What is wrong is told with file, "
                       "scale and key: `python -m core doctor`. Scores under one name and other settings are never compared.")


def draw_table(rungs: Sequence[RungFacts]) -> None:
    rows = [{"scale": r.scale.name, "shape": f"{r.scale.n_layers} × {r.scale.d_model}", "parameters": r.params, "embeddings": r.params_embedding, "tokens": r.scale.tokens, "context": r.scale.context,
             "batch": r.scale.batch_tokens, "learning rate": f"{r.scale.lr:g}", "FLOPs": f"{r.flops:.1e}".replace("e+", "e") if r.flops else "",
             "minutes here": f"{r.minutes_here:.1f}" if r.minutes_here else "not yet", "guessed": r.scale.minutes, "verified": r.measured} for r in rungs]
    compact = st.column_config.NumberColumn(format="compact")
    st.dataframe(rows, hide_index=True, placeholder="", height="content", column_config={
        **dict.fromkeys(("parameters", "embeddings", "tokens"), compact),
        "batch": compact, "FLOPs": st.column_config.TextColumn(alignment="right", help="of one training of gpt2, forward and backward"),
        "minutes here": st.column_config.TextColumn(alignment="right", help="of gpt2 on this kind of machine"), "guessed": st.column_config.NumberColumn(format="localized", help="minutes, from the file: on the machine that its minutes_on names"),
        "verified": st.column_config.NumberColumn(help="verifications with a score, of any design")})


def draw_plot(rungs: Sequence[RungFacts]) -> None:
    """Training tokens against parameters, both logarithmic; where a scale was measured here, in orange with its minutes."""
    known = [r for r in rungs if r.params]
    if not known:
        return
    figure = go.Figure()
    line = [min(r.params for r in known) * 0.5, max(r.params for r in known) * 2]
    figure.add_scatter(x=line, y=[20 * x for x in line], mode="lines", line={"color": "#999999", "dash": "dot", "width": 1}, name="20 tokens a parameter", hoverinfo="skip")
    for name, colour, some in (("measured here", ORANGE, [r for r in known if r.minutes_here]), ("not measured here", BLUE, [r for r in known if not r.minutes_here])):
        if some:
            figure.add_scatter(
                x=[r.params for r in some], y=[r.scale.tokens for r in some], mode="markers+text", name=name, marker={"size": 11, "color": colour, "symbol": "circle" if colour == BLUE else "diamond"},
                text=[escape(r.scale.name) for r in some], textposition="top center", hovertemplate="%{customdata}<extra></extra>",
                customdata=[escape(f"{r.scale.name}: {r.params:,} parameters, {r.scale.tokens:,} tokens" + (f", {r.minutes_here:.1f} min here" if r.minutes_here else f", {r.scale.minutes:g} min guessed")) for r in some])
    figure.update_layout(height=390, margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
                         xaxis={"type": "log", "title": "parameters of gpt2, without embeddings", "dtick": 1}, yaxis={"type": "log", "title": "training tokens", "dtick": 1})
    chart(figure, "ladder", "The scales: training tokens over parameters")
