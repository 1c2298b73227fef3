"""Tasks of library/tasks, and whether their data are here."""

from __future__ import annotations

import streamlit as st

from app import shell
from core.desk import Desk


def draw_tasks(desk: Desk) -> None:
    for task in desk.own_tasks():
        with st.container(border=True, gap="small"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{shell.plain(task.name)}**", width="content")
                if task.ready:
                    st.badge("ready", color="green", icon=":material/check:")
                    st.caption(f"{task.items:,} items", width="content")
                else:
                    st.badge("no data here", color="orange", icon=":material/folder_off:")
            if task.what:
                st.markdown(shell.plain(task.what))
            if task.problem:
                st.error(shell.plain(task.problem), icon=":material/error:")
            elif task.ready:
                st.caption(f"`{task.where}`")
            else:
                st.caption(f"Put its sets there, one `*.jsonl` a set: `{task.where}`")
    st.caption(f"A task of your own: a folder in `{desk.config.library_dir / 'tasks'}` with a YAML file, as lm-eval reads one. Any other name is one of lm-eval's own tasks, whose data are fetched from the "
               "Hub when it is first asked for: name it where a verification is started.")
