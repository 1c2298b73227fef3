"""A gab.py of one's own: paste or upload it, see it checked, save it as a root of the tree."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.code import draw_report
from app.widgets.of_job import asked_job, waits_for
from app.widgets.roles import may
from core.desk import Desk
from core.types import Job, JobKind, JobState

EXAMPLE = '''import torch
from torch import nn
from core.gab import GABBase


class GAB(GABBase):
    """A causal mean of what came before, then an MLP."""

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, ratio=4):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        self.norm, self.norm2 = nn.LayerNorm(embed_dim, **to), nn.LayerNorm(embed_dim, **to)
        self.mix = nn.Linear(embed_dim, embed_dim, **to)
        self.mlp = nn.Sequential(nn.Linear(embed_dim, ratio * embed_dim, **to), nn.GELU(), nn.Linear(ratio * embed_dim, embed_dim, **to))

    def _forward(self, X):
        n = torch.arange(1, X.shape[1] + 1, device=X.device, dtype=X.dtype)[:, None]
        X = X + self.mix(self.norm(X).cumsum(1) / n)
        return X + self.mlp(self.norm2(X))


gab_config = {"ratio": 4}
'''


def draw_own_block(desk: Desk) -> None:
    st.caption("A design is one file: a class GAB(GABBase) and a dict gab_config. Blocks written for Genesys run as they are. "
               "It is checked in a sandbox before it is saved; nothing is lost when you leave: the check is a job.")
    tried = asked_job(desk, JobKind.TRY)
    left, right = st.columns([1.25, 1], gap="large")
    with left:
        _draw_source(desk, tried)
    with right:
        if tried is None:
            st.info("Paste or upload a gab.py, then press Check.", icon=":material/rule:")
            return
        shell.live(lambda: _draw_check(desk, tried.id), tried.state in shell.LIVE)
        if tried.state is JobState.DONE:
            _draw_saving(desk, tried)


def _draw_source(desk: Desk, tried: Job | None) -> None:
    upload = st.file_uploader("Upload a gab.py", type=["py"], key="own-upload")
    if upload is not None and st.session_state.get("own-uploaded") != upload.file_id:
        st.session_state["own-uploaded"] = upload.file_id
        try:
            st.session_state["own-code"] = upload.getvalue().decode("utf-8")
        except UnicodeDecodeError as error:
            st.error(f"{shell.plain(upload.name)} is no UTF-8 text: byte {error.start} cannot be read.", icon=":material/error:")
    if "own-code" not in st.session_state:
        st.session_state["own-code"] = tried.payload.get("code", "") if tried else ""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        scale = st.selectbox("Check at scale", list(desk.scales), key="own-scale", width=180)
        if st.button("Start from an example", icon=":material/lightbulb:", type="tertiary"):
            st.session_state["own-code-next"] = EXAMPLE
            st.rerun()
    if "own-code-next" in st.session_state:
        st.session_state["own-code"] = st.session_state.pop("own-code-next")
    code = st.text_area("gab.py", key="own-code", height=430, placeholder="class GAB(GABBase): …")
    if st.button("Check", type="primary", icon=":material/rule:", **may("try_code", "about 5 s")):
        made: list[Job] = []
        if shell.act(lambda: made.append(desk.try_code(code, scale))):
            st.query_params["job"] = str(made[0].id)
            st.rerun()


def _draw_check(desk: Desk, job_id: int) -> bool:
    """Whether it still runs."""
    job = desk.queue.get(job_id)
    if job.state in shell.LIVE:
        st.progress(job.progress, "checking" if job.state is JobState.RUNNING else waits_for(desk))
        return True
    if job.state is not JobState.DONE:
        st.error(f"The check stopped: {shell.plain(job.error) or job.state}", icon=":material/error:")
    return False


def _draw_saving(desk: Desk, tried: Job) -> None:
    report = desk.tried(tried)
    if report is None:
        st.error(f"Job {tried.id} is no check of a gab.py.", icon=":material/error:")
        return
    draw_report(report)
    if report.repaired and st.button("Take the mended code", type="primary", icon=":material/build:"):
        st.session_state["own-code-next"] = report.repaired
        st.rerun()
    if tried.payload["code"] != st.session_state.get("own-code"):
        st.caption("The code was changed since: check it again before you save it.")
        return
    if not report.passed:
        return
    twin = desk.twin(tried.payload["code"])
    if twin:
        st.warning(f"This is {twin} under other names.", icon=":material/content_copy:")
        shell.link("library", f"Open {twin}", ":material/menu_book:", design=twin)
        return
    with st.form("own-save"):
        title = st.text_input("Title", placeholder="what it is, in a few words")
        summary = st.text_area("Summary", placeholder="what it does differently", height=70)
        saved = st.form_submit_button("Save as a root of the tree", type="primary", icon=":material/park:", **may("add_own"))
    if saved:
        made: list[str] = []
        if shell.act(lambda: made.append(desk.add_own(tried.id, title, summary).id), "saved"):
            st.session_state.pop("own-code", None)
            shell.go("library", design=made[0])
