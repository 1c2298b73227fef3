"""Whether the visitor may do what a button does: where they may not it is greyed, and its help says which role it takes."""

from __future__ import annotations

from typing import TypedDict

from app import sign_in
from core.guarded import needed
from core.users import Role

LESS = {Role.VIEWER: "viewers may look", Role.REVIEWER: "reviewers decide within what admins set"}


class Offer(TypedDict):
    """What a button or another widget is given: `st.button("Pause", **may("pause_run"))`."""

    disabled: bool
    help: str | None


def may(verb: str, help: str | None = None, disabled: bool = False) -> Offer:
    """The widget that does this verb of the desk, with its own help and state; the desk itself looks at the role again when the verb is done."""
    return of_role(needed(verb), help, disabled)


def of_role(role: Role, help: str | None = None, disabled: bool = False) -> Offer:
    """The same where what is given to a verb asks for more than the verb does, such as a path on the server."""
    who = sign_in.visitor()
    if who is not None and who.role.reaches(role):
        return {"disabled": disabled, "help": help}
    why = f"for {role}s: {LESS[who.role]}, ask an admin for the role {role}" if who else "sign in for this"
    return {"disabled": True, "help": f"{why} · {help}" if help else why}
