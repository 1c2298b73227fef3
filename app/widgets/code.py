"""Code, its differences, and unit trees as text."""

from __future__ import annotations

import difflib

import streamlit as st

from app import shell
from core.types import CheckReport, CheckResult, UnitTree

MARKS = {"pass": ":green[✓]", "warn": ":orange[!]", "fail": ":red[✗]"}


def draw_code(code: str, other: str | None, other_name: str) -> None:
    """The code, or what changed against another design's."""
    if other is not None and st.toggle(f"Show only what differs from {other_name}", key=f"diff-{hash(code)}"):
        st.code(difference(other, code, other_name, "this design"), language="diff", wrap_lines=True)
        return
    st.code(code, language="python", line_numbers=True, height=560)


def difference(old: str, new: str, old_name: str, new_name: str) -> str:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, lineterm="", n=2)
    return "\n".join(lines) or "no difference"


def draw_units(tree: UnitTree) -> None:
    st.code(outline(tree), language=None, wrap_lines=True)


def outline(tree: UnitTree, slot: str = "block", depth: int = 0) -> str:
    config = ", ".join(f"{k}={v}" for k, v in tree.config.items())
    branch = "   " * (depth - 1) + "└─ " if depth else ""
    lines = [f"{branch}{slot}: {tree.unit}" + (f"  ({config})" if config else "")]
    return "\n".join(lines + [outline(child, name, depth + 1) for name, child in tree.children.items()])


def draw_report(report: CheckReport) -> None:
    verdict = "passed" if report.passed else "failed"
    st.markdown(f"**{verdict.capitalize()}** at {report.scale} in {report.seconds:.1f} s")
    for r in report.results:
        draw_result(r)
    if report.repaired:
        with st.expander("The mended code", icon=":material/build:"):
            st.code(report.repaired, language="python", line_numbers=True)
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
