"""The app: navigation and theme. Start it with `bash run_demo.sh`, or `python -m streamlit run app/main.py` from the project's root."""

from __future__ import annotations

import streamlit as st

from app import shell

st.set_page_config(page_title="Model Discovery", page_icon=str(shell.ICON), layout="wide", initial_sidebar_state="collapsed")
page = st.navigation([
    st.Page(shell.PAGES["tree"], title="Tree", icon=":material/account_tree:", default=True),
    st.Page(shell.PAGES["design"], title="Design", icon=":material/edit_note:"),
    st.Page(shell.PAGES["agents"], title="Agents", icon=":material/smart_toy:"),
    st.Page(shell.PAGES["verify"], title="Verify", icon=":material/science:"),
    st.Page(shell.PAGES["report"], title="Report", icon=":material/lab_profile:"),
    st.Page(shell.PAGES["library"], title="Library", icon=":material/menu_book:"),
    st.Page(shell.PAGES["jobs"], title="Jobs", icon=":material/checklist:"),
], position="top")
shell.run(page)
