"""Code, its differences, and unit trees as text."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import shell
from app.widgets.diff import draw_diff
from core.types import CheckReport, CheckResult

MARKS = {"pass": ":green[✓]", "warn": ":orange[!]", "fail": ":red[✗]"}


def draw_code(code: str, bases: Mapping[str, str]) -> None:
    """The code, or what changed in it against one of `bases` (name → code)."""
    against = st.selectbox("Show", ["", *bases], format_func=lambda b: f"what differs from {b}" if b else "the whole code", key="code-against", width=340) if bases else ""
    if against:
        draw_diff(bases[against], code, "code-difference", "python")
    else:
        st.code(shell.upright(code), language="python", line_numbers=True, height=560)      # what is read is what runs


def draw_report(report: CheckReport) -> None:
    verdict = "passed" if report.passed else "failed"
    st.markdown(f"**{verdict.capitalize()}** at {report.scale} in {report.seconds:.1f} s")
    for r in report.results:
        draw_result(r)
    if report.repaired:
        with st.expander("The mended code", icon=":material/build:"):
            st.code(shell.upright(report.repaired), language="python", line_numbers=True)
    if report.output:
        with st.expander("All that the block printed"):
            st.code(report.output, language=None)
    st.caption(f"Sandbox layers that held: {', '.join(report.layers) or 'none'}" + (f". Missing here: {', '.join(report.missing)} (see `python -m core doctor`)" if report.missing else ""))


def draw_result(r: CheckResult) -> None:
    """One line; where the evidence has several, they keep their columns."""
    first, _, rest = r.evidence.partition("\n")
    mend = f"  \n:material/build: {shell.plain(r.mend)}" if r.mend else ""
    st.markdown(f"{MARKS[r.verdict]} **{shell.plain(r.name)}** {shell.plain(first)} :gray[{r.seconds:.2f} s]{mend}")
    if rest:
        with st.expander(f"{len(rest.splitlines())} lines more", expanded=rest.count("\n") < 6):
            st.code(rest, language="diff" if "@@" in rest else None)
    if r.output:
        with st.expander(f"Printed during {r.name}"):
            st.code(r.output, language=None)
