"""The debug desk: change a gab.py, run its check or one forward pass, see prints, shapes and report, and save it as a revision of one's own."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.began import began, begin, draw_newer
from app.widgets.code import draw_report
from app.widgets.diff import draw_diff
from app.widgets.of_job import asked_job, waits_for
from app.widgets.roles import may
from core.desk import Desk
from core.types import Implementation, Job, JobKind, JobState, Kind


def draw_debug_desk(desk: Desk, design_id: str, made: Implementation) -> None:
    """`made`: the newest code. What is being changed stays when somebody else saves newer code; saving then says so."""
    newest = made.revision
    at = began(f"code-{design_id}", f"draft-code-debug-{design_id}-", newest)
    if at != newest:
        older = next(i for i in desk.store.implementations.revisions(design_id) if i.revision == at)
        if st.session_state[f"draft-code-debug-{design_id}-{at}"] == older.code:      # nothing was changed in it
            begin(f"code-{design_id}", newest)
        else:
            draw_newer(f"code-{design_id}", made.author, at, newest)
            made = older
    key = f"debug-{design_id}-{made.revision}"
    left, right = st.columns([1.2, 1], gap="large")
    with left:
        code = st.text_area("gab.py", made.code, height=520, key=f"draft-code-{key}")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            scale = st.selectbox("Scale", list(desk.scales), key=f"scale-{key}", width=120)
            batch = st.number_input("Batch", 1, 64, 2, key=f"batch-{key}", width=110)
            length = st.number_input("Length", 1, 8192, 64, key=f"length-{key}", width=120)
            started: list[Job] = []
            if st.button("Check", type="primary", icon=":material/rule:", key=f"check-{key}", **may("try_code", "the whole check, about 3 s")):
                shell.act(lambda: started.append(desk.try_code(code, scale)))
            if st.button("Forward", icon=":material/play_arrow:", key=f"forward-{key}", **may("trace_code", "one pass: shapes, types and times of every module")):
                shell.act(lambda: started.append(desk.trace_code(code, scale, int(batch), int(length))))
            if started:
                st.query_params["job"] = str(started[0].id)
                st.rerun()
        with st.expander("With line numbers and highlighting"):
            st.code(code, language="python", line_numbers=True, height=420)
        if code != made.code:
            with st.expander("What you changed"):
                draw_diff(made.code, code, f"diff-{key}", "python")
    with right:
        job = asked_job(desk, JobKind.TRY)
        if job is None:
            st.info("Change the code, then check it or run it forward. Prints and shapes appear here.", icon=":material/bug_report:")
            return
        shell.live(lambda: _draw_progress(desk, job.id), job.state in shell.LIVE)
        if job.state is JobState.DONE:
            _draw_outcome(desk, design_id, made, newest, job, code)


def _draw_progress(desk: Desk, job_id: int) -> bool:
    job = desk.queue.get(job_id)
    if job.state in shell.LIVE:
        st.progress(job.progress, "running" if job.state is JobState.RUNNING else waits_for(desk))
        return True
    if job.state is not JobState.DONE:
        st.error(f"It stopped: {shell.plain(job.error) or job.state}", icon=":material/error:")
    return False


def _draw_outcome(desk: Desk, design_id: str, made: Implementation, newest: int, job: Job, code: str) -> None:
    if "trace" in job.result:
        draw_trace(job.result["trace"])
    report = desk.tried(job)
    if report is None:
        return
    draw_report(report)
    if job.payload["code"] != code:
        st.caption("This is of other code than stands in the field: check it again before you save it.")
    elif code == made.code:
        st.caption(f"This is revision {made.revision} as it is.")
    elif not report.passed and made.check is not None and made.check.passed:
        st.caption(f"Revision {made.revision} passed its check, and stays until other code does. Yours is kept in the field.")
    elif desk.store.designs.get(design_id).kind is Kind.REFERENCE:
        st.caption("A reference stays as it is; save your code as a design of your own on the Library page.")
    else:
        with st.container(horizontal=True):
            saved = st.button("Save as a new revision", icon=":material/save:", key=f"save-{design_id}", **may("save_code"))
            over = newest != made.revision and st.button(f"Save over revision {newest}", icon=":material/save_as:", key=f"save-over-{design_id}", **may("save_code", "yours becomes the newest; the other one is kept"))
        kept: list[Implementation] = []
        if (saved or over) and shell.act(lambda: kept.append(desk.save_code(design_id, job.id, newest if over else made.revision)), "saved"):
            begin(f"code-{design_id}", kept[0].revision)
            st.rerun()


def draw_trace(found: dict) -> None:
    if found["failed"]:
        st.error(shell.plain(found["failed"]), icon=":material/error:")
    if found["rows"]:
        st.caption(f"{found['layers']} blocks × {found['width']} wide; times are of this pass, first calls included")
        st.dataframe([{"module": r["module"], "kind": r["kind"], "in": r["in"], "out": r["out"], "ms": r["ms"]} for r in found["rows"]], hide_index=True, placeholder="",
                     height=420, column_config={"ms": st.column_config.NumberColumn(format="%.2f")})
        if found["left_out"]:
            st.caption(f"{found['left_out']} more were left out.")
    if found["output"]:
        st.caption("Printed")
        st.code(found["output"], language=None)
