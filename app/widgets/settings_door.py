"""The door: a form for name and password, or a provider's; and who is in, at the top of every page."""

from __future__ import annotations

from importlib.util import find_spec

import streamlit as st

from app import shell, sign_in
from app.sign_in import Visitor
from core.users import Role, provider_file

MAY = {Role.VIEWER: "looks at everything", Role.REVIEWER: "decides within the budgets", Role.ADMIN: "sets budgets, agents, users"}
CSS = """<style>
[data-testid="stLayoutWrapper"]:has(> .st-key-visitor) {position: fixed; top: .55rem; right: 1rem; z-index: 999992; width: auto !important;}
.st-key-visitor button {min-height: 2.1rem; max-width: 11rem;} .st-key-visitor button p {overflow: hidden; text-overflow: ellipsis; white-space: nowrap;}
[data-testid="stHeader"] {padding-right: 10rem;}
.st-key-door {max-width: 26rem; margin: 5vh auto 0;}
.st-key-sign-in-cookie {display: none;}
@media (max-width: 640px) {.st-key-visitor button {max-width: 8rem;}}
</style>"""


def admitted() -> bool:
    """Whether somebody is here who may look; else the door is drawn."""
    with shell.worded(leads=False):
        if sign_in.visitor() is not None:
            return True
        st.html(shell.CSS + CSS)
        sign_in.keep()
        with st.container(key="door"):
            _draw_door()
    return False


def draw_visitor() -> None:
    """Their name at the top right, with a way out; nothing where nobody signs in."""
    who = sign_in.visitor()
    if who is None or who.how == "open":
        return
    with st.container(key="visitor"):
        st.html(CSS)
        sign_in.keep()
        _draw_menu(who)


def _draw_menu(who: Visitor) -> None:
    with st.popover(shell.escaped(who.name), icon=":material/person:"):
        st.markdown(f"**{shell.plain(who.name)}**, {who.role}")
        st.caption(MAY[who.role])
        shell.link("settings", "Settings", ":material/settings:")
        st.button("Sign out", key="sign-out", icon=":material/logout:", on_click=sign_in.leave)


def _draw_door() -> None:
    st.subheader("Model Discovery", anchor=False)
    users = sign_in.door().users.all()
    by_password = any(u.password for u in users.values())
    provider = provider_file()
    if email := sign_in.by_provider():
        st.warning(f"{shell.plain(email)} is not among those who may come in.", icon=":material/block:")
        st.caption("An admin can add this address on the Settings page, or on the server: `python -m core users add ADDRESS --role viewer --provider`.")
        st.button("Sign in as somebody else", icon=":material/logout:", on_click=st.logout)
        return
    if not by_password and provider is None:
        st.info("Nobody can sign in yet. On the server, add the first user, who is an admin:", icon=":material/person_add:")
        st.code("python -m core users add NAME --role admin", language="bash")
        st.caption("It asks for a password. Then reload this page." + (" Sign-in is asked for because this page came by a proxy; where you alone reach that, start the app with `SIGN_IN=off`."
                                                                       if sign_in.through_a_proxy() else ""))
        return
    if provider and find_spec("authlib") is None:
        st.warning(f"`{provider}` names a provider, but Authlib is not installed on the server: `pip install -r requirements.txt`.", icon=":material/extension_off:")
    elif provider and st.button("Sign in with your organisation", icon=":material/key:", type="primary", width="stretch"):
        st.login()
    if by_password:
        with st.form("sign-in", border=True):
            name = st.text_input("Name", key="sign-in-name", autocomplete="username")
            password = st.text_input("Password", type="password", key="sign-in-password", autocomplete="current-password")
            asked = st.form_submit_button("Sign in", icon=":material/login:", type="secondary" if provider else "primary", width="stretch")
        if asked:
            with shell.worded(leads=False):
                sign_in.enter(name, password)
                st.session_state.pop("sign-in-password", None)
                st.rerun()
        st.caption("No account, or the password is lost: ask an admin.")
