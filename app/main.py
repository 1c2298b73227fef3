"""The app: navigation and theme. Start it with `bash run_demo.sh`, or `python -m streamlit run app/server.py` from the project's root."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.inbox import first_look, stay
from app.widgets.settings_door import admitted, draw_visitor
from app.widgets.tour import draw_tour

HOME = "tree"
# Section → (page, title, icon); those without a section stand in the bar itself.
NAVIGATION = {
    "": [
        ("tree", "Tree", "account_tree"),
        ("inbox", "Inbox", "inbox"),
        ("studio", "Studio", "forum"),
        ("design", "Design", "edit_note"),
        ("evolve", "Evolve", "rocket_launch"),
        ("verify", "Verify", "science"),
        ("compare", "Compare", "leaderboard"),
        ("report", "Report", "lab_profile"),
    ],
    "More": [
        ("agents", "Agents", "smart_toy"),
        ("library", "Library", "menu_book"),
        ("data", "Data", "dataset"),
        ("jobs", "Jobs", "checklist"),
        ("settings", "Settings", "settings"),
    ],
}

st.set_page_config(page_title="Model Discovery", page_icon=str(shell.ICON), layout="wide", initial_sidebar_state="collapsed")
here = admitted()        # else the door is drawn, and the link leads on once somebody has signed in
menu = {section: [st.Page(shell.PAGES[name], title=title, icon=f":material/{icon}:", default=name == HOME, url_path="home" if name == HOME else None) for name, title, icon in pages] for section, pages in NAVIGATION.items()}
menu[""].append(st.Page(lambda: shell.go(HOME, **st.query_params.to_dict()), title="Tree", url_path=HOME, visibility="hidden"))      # its address is /; who types its name finds it
page = st.navigation(menu, position="top" if here else "hidden")
if here:
    draw_visitor()
    been = "looked" in st.session_state
    if first_look(page):
        shell.go("inbox")
    shell.run(page, lambda: draw_tour(shell.desk()))
    if been:
        stay(page)
