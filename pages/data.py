"""Data and scales: what is trained on, what is measured with, and the ladder of sizes."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.data_corpora import draw_corpora, draw_one
from app.widgets.data_scales import draw_scales
from app.widgets.data_tasks import draw_tasks

VIEWS = {"corpora": "Corpora", "tasks": "Tasks", "scales": "Scales"}


def main() -> None:
    desk = shell.desk()
    if name := st.query_params.get("corpus"):
        draw_one(desk, name)
        return
    shell.from_address("view", "corpora", VIEWS, "data-view")
    view = st.segmented_control("View", list(VIEWS), format_func=VIEWS.get, required=True, label_visibility="collapsed", key="data-view")
    shell.to_address("view", "corpora", "data-view")
    if view == "scales":
        draw_scales(desk)
    elif view == "tasks":
        draw_tasks(desk)
    else:
        draw_corpora(desk)


main()
