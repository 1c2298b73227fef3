"""`python -m core users list|add NAME|role NAME ROLE|password NAME|remove NAME`: who may sign in."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence

from core import cli_text as text
from core.config import Config
from core.errors import UsageError
from core.users import Role, User, Users, provider_file

Answer = tuple[object, str, int]
ACTIONS = ("list", "add", "role", "password", "remove")


def users(args: argparse.Namespace) -> Answer:
    """Answer one of the five."""
    known = Users(Config.from_env())
    if args.action == "list":
        return _list(known)
    if not args.name:
        raise UsageError(f"users {args.action} whom?", f"python -m core users {args.action} NAME")
    if args.action == "add":
        return _told(known.add(args.name, args.role or args.to or Role.VIEWER, None if args.provider else _password(args.stdin), "the command line"), "may sign in")
    if args.action == "role":
        wanted = args.to or args.role
        if not wanted:
            raise UsageError("no role given", f"python -m core users role {args.name} {'|'.join(Role)}")
        return _told(known.set_role(args.name, wanted), "from now on")
    if args.action == "password":
        known.get(args.name)
        return _told(known.set_password(args.name, _password(args.stdin)), "has a new password, and signs in anew")
    found = known.get(args.name)
    known.remove(args.name)
    return _told(found, "was removed; what they decided stays")


def _list(known: Users) -> Answer:
    found = list(known.all().values())
    rows = [(u.name, u.role, "password" if u.password else "provider", u.added, u.by) for u in found]
    words = text.table(("name", "role", "signs in by", "added", "by"), rows) if rows else "nobody yet: python -m core users add NAME --role admin"
    if provider_file():
        words += f"\n{provider_file()} names a provider: its people are {'those above' if any(u.name.startswith('@') for u in found) else 'viewers, unless listed above'}"
    return [_public(u) for u in found], words, 0


def _told(user: User, words: str) -> Answer:
    return _public(user), f"{user.name}, {user.role}: {words}", 0


def _public(user: User) -> dict[str, object]:
    """Without the password's hash."""
    return {"name": user.name, "role": user.role, "password": user.password is not None, "added": user.added, "by": user.by}


def _password(from_stdin: bool) -> str:
    """Asked for twice on a terminal; the first line of stdin with --stdin."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for a password on", "give it as a line of stdin, with --stdin")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise UsageError("the two passwords differ", "type the same one twice")
    return first


OPTIONS: Sequence[tuple] = (
    ("action", {"choices": ACTIONS}),
    ("name", {"nargs": "?", "help": "letters, digits, dots, dashes; or an e-mail address, or @a.domain for all its people, where a provider signs in"}),
    ("to", {"nargs": "?", "metavar": "role", "help": ", ".join(Role)}),
    ("--role", {"choices": list(Role), "help": "of a new user; viewer otherwise"}),
    ("--stdin", {"action": "store_true", "help": "read the password from stdin instead of asking"}),
    ("--provider", {"action": "store_true", "help": "no password: signs in by the provider of .streamlit/secrets.toml"}),
)
