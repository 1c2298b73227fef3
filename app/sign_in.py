"""Who looks at the page. Sign-in is off where only this machine reaches the app: then whoever sits there is "you", with all rights.

It is on with SIGN_IN=on, where the server is bound to an address that other machines reach, and for a page that came by a proxy which says so. A name and a password
(core/door.py) become a token in a cookie, until it ends or they sign out; with [auth] in .streamlit/secrets.toml a provider (OIDC) says who it is.
What this does not stop: somebody on this machine while sign-in is off; a proxy that hides itself (set SIGN_IN=on behind one); scripts in the page, which could read
the cookie (the app runs none but its own).
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.widgets.cookie import keep_cookie
from core.config import Config, sign_in_said
from core.door import LASTS_S, Door
from core.errors import NotAllowed
from core.users import Role, is_loopback, provider_file

PROXIED = {"forwarded", "x-forwarded-for", "x-real-ip"}
TOKEN, ENDED = "signed-in", "signed-out"         # in the session's state


@dataclass(frozen=True)
class Visitor:
    """`how`: "open" (no sign-in here), "password" or "provider"."""

    name: str
    role: Role
    how: str


@st.cache_resource(show_spinner=False)
def door() -> Door:
    """One for the server, so that wrong tries count whoever makes them."""
    return Door(Config.from_env())


def needed() -> bool:
    said = sign_in_said()
    return said == "on" or (said != "off" and (not is_loopback(st.get_option("server.address")) or through_a_proxy()))


def through_a_proxy() -> bool:
    """Whether this page came by one that says so: then others reach it, though the server is bound to this machine."""
    return not _headers().isdisjoint(PROXIED)


def _headers() -> set[str]:
    return {name.lower() for name in st.context.headers}


def visitor() -> Visitor | None:
    """Who is here now, by what is true now: a role that changed, a password, a removed user are heard at once."""
    if not needed():
        return Visitor("you", Role.ADMIN, "open")
    if token := _token():
        user = door().who(token)
        if user is not None:
            return Visitor(user.name, user.role, "password")
    if (email := _by_provider()) and (user := door().users.coming_by_provider(email)):
        return Visitor(user.name, user.role, "provider")
    return None


def role_of(name: str, how: str) -> Role | None:
    """Of one who signed in so, at this moment."""
    users = door().users
    user = users.coming_by_provider(name) if how == "provider" else users.all().get(name)
    return user.role if user else None


def by_provider() -> str:
    """The e-mail address that a provider vouches for, also one that may not come in; "" without."""
    return _by_provider()


def _token() -> str:
    """Of this session, else of the browser. A cookie is read when the page connects, so one that was taken away is still seen: it counts no more."""
    if TOKEN in st.session_state:
        return st.session_state[TOKEN]
    return "" if st.session_state.get(ENDED) else st.context.cookies.get(door().cookie, "")


def _by_provider() -> str:
    if provider_file() is None or not st.user.get("is_logged_in", False) or st.user.get("email_verified") is False:
        return ""
    return str(st.user.get("email") or "").lower()


def enter(name: str, password: str) -> None:
    """Raises NotAllowed in words."""
    if not name.strip() or not password:
        raise NotAllowed("name and password are both needed", "fill in both")
    st.session_state[TOKEN] = door().enter(name, password)
    st.session_state.pop(ENDED, None)


def renew(name: str) -> None:
    """Stay in after one's own password changed."""
    st.session_state[TOKEN] = door().token(door().users.get(name))


def leave() -> None:
    who = visitor()
    door().end(_token())
    st.session_state.pop(TOKEN, None)
    st.session_state[ENDED] = True
    if who and who.how == "provider":
        st.logout()


def keep() -> None:
    """Have the browser keep, or forget, what this session knows."""
    token = st.session_state.get(TOKEN, "")
    if token and token != st.context.cookies.get(door().cookie, ""):
        keep_cookie(door().cookie, token, LASTS_S, "sign-in-cookie")
    elif st.session_state.get(ENDED):
        keep_cookie(door().cookie, "", 0, "sign-in-cookie")
