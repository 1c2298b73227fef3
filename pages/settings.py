"""Settings: who you are and who may come in, keys (present or not), places, workers, what this machine has."""

from __future__ import annotations

import streamlit as st

from app import shell, sign_in
from app.widgets.settings_machine import draw_check_up, draw_keys, draw_places, draw_versions, draw_workers
from app.widgets.settings_users import draw_me, draw_users
from core.users import Role


def main() -> None:
    desk, who = shell.desk(), sign_in.visitor()
    left, right = st.columns([1, 1.15], gap="large")
    with left:
        with shell.worded():
            draw_me(desk, who)
        if who and who.role is Role.ADMIN:
            with shell.worded():
                draw_users(desk, who)
        with shell.worded():
            draw_check_up(desk)
        draw_versions(desk)
    with right:
        with shell.worded():
            draw_workers(desk)
        with shell.worded():
            draw_places(desk)
        with shell.worded():
            draw_keys(desk)


main()
