"""Who one is, one's own password; and, for admins, who else may come in."""

from __future__ import annotations

import streamlit as st

from app import shell, sign_in
from app.sign_in import Visitor
from app.widgets.settings_door import MAY
from app.widgets.switch import draw_refusal, fresh, switch
from core.desk import Desk
from core.users import Role, User, provider_file


def draw_me(desk: Desk, who: Visitor | None) -> None:
    st.subheader("You", anchor=False)
    if who is None or who.how == "open":
        st.caption("Sign-in is off: this app is served to this machine alone, and whoever sits here is “you”, with all rights. It is on by itself where other machines reach "
                   "the app, or with `SIGN_IN=on`, for instance behind a proxy.")
        return
    st.markdown(f"**{shell.plain(who.name)}**, {who.role}: {MAY[who.role]}.")
    st.caption("Every decision of yours carries this name." + ("" if who.how == "password" else " Your organisation's sign-in says who you are."))
    if who.how == "password":
        with st.expander("Change your password", icon=":material/password:"), st.form("own-password", border=False, clear_on_submit=True):
            old = st.text_input("The present one", type="password", autocomplete="current-password", key="password-old")
            new = st.text_input("A new one", type="password", autocomplete="new-password", key="password-new")
            again = st.text_input("Again", type="password", autocomplete="new-password", key="password-again")
            asked = st.form_submit_button("Change", icon=":material/save:")
            if asked and new != again:
                st.error("The two new passwords differ. Type the same one twice.", icon=":material/error:")
            elif asked and shell.act(lambda: desk.change_password(old, new), "changed; your other browsers have to sign in again"):
                sign_in.renew(who.name)
                st.rerun()


def draw_users(desk: Desk, who: Visitor) -> None:
    known = desk.users()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Users", anchor=False, width="content")
        with st.popover("Add", icon=":material/person_add:"):
            _draw_new()
    if not known:
        st.caption("None yet. Add the first before others reach this app: the first is an admin. Also on the command line: `python -m core users add NAME --role admin`.")
        return
    for user in known.values():
        with st.container(border=True, gap="small"), st.container(horizontal=True, vertical_alignment="center", key=f"user-{user.name}"):
            with st.container(gap=None, width="stretch"):
                st.markdown(f"**{shell.plain(user.name)}**{' (you)' if user.name == who.name else ''}")
                st.caption(f"{'password' if user.password else 'by the provider'}{f' · since {user.added}' if user.added else ''}{f', by {shell.plain(user.by)}' if user.by else ''}")
            moved = f"role-{user.name}-{user.role}"
            role = st.selectbox("Role", list(Role), list(Role).index(user.role), key=fresh(moved), label_visibility="collapsed", width=130)
            draw_refusal(moved)
            if role is not user.role:
                switch(moved, lambda u=user, r=role: desk.set_role(u.name, r), f"{user.name} is {role} now")
            with st.popover("Change", key=f"more-{user.name}"):
                _draw_one(desk, user, who)


def _draw_one(desk: Desk, user: User, who: Visitor) -> None:
    with st.form(f"password-{user.name}", border=False, clear_on_submit=True):
        new = st.text_input("A new password", type="password", autocomplete="new-password", key=f"new-{user.name}", help="they are signed out, and sign in by the new one")
        if st.form_submit_button("Set", icon=":material/password:") and shell.act(lambda: desk.set_password(user.name, new), "set") and user.name == who.name:
            sign_in.renew(user.name)
            st.rerun()
    if st.button("Remove", icon=":material/person_remove:", key=f"remove-{user.name}", help="they are signed out; what they decided stays") and shell.act(
            lambda: desk.remove_user(user.name), f"{user.name} was removed"):
        st.rerun()


def _draw_new() -> None:
    desk = shell.desk()
    by_provider = provider_file() is not None
    with st.form("user-new", border=False):
        name = st.text_input("Name", key="user-name", placeholder="ada, ada@lab.org" + (", or @lab.org for all of it" if by_provider else ""))
        role = st.selectbox("Role", list(Role), format_func=lambda r: f"{r}: {MAY[r]}", key="user-role")
        password = st.text_input("Password", type="password", autocomplete="new-password", key="user-password",
                                 help="at least 8 characters" + ("; empty: they come in by your organisation's sign-in" if by_provider else ""))
        if st.form_submit_button("Add", icon=":material/person_add:", type="primary") and shell.act(
                lambda: desk.add_user(name, role, password if password or not by_provider else None), f"{name} may sign in"):
            st.rerun()
