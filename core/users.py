"""Who may sign in, with which role: DATA_DIR/users.yaml, readable by its owner alone, and the key that signs what a browser keeps.

    ada:          {role: admin, password: {n: 32768, r: 8, p: 3, salt: …, hash: …}, added: 2026-01-31, by: you}
    bob@lab.org:  {role: reviewer}      # no password: comes in by the provider of .streamlit/secrets.toml only
    "@lab.org":   {role: viewer}        # everybody of that domain; with such an entry, nobody of another

What this does not stop: whoever can read DATA_DIR as the owner of the server's process, and a password that is easy to guess (core/passwords.py).
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re
import secrets
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from core.config import ROOT, Config
from core.errors import ConfigError, Conflict, NotFound, UsageError
from core.passwords import Hashed
from core.quick_yaml import parsed

NAME = re.compile(r"@?[a-z0-9][a-z0-9._+@-]{0,63}")
TAKEN = ("you", "library", "system", "person", "agent")      # who else stands as an author beside what is decided


class Role(StrEnum):
    VIEWER = "viewer"            # looks at everything
    REVIEWER = "reviewer"        # and decides: approves, edits, starts sessions and verifications, within the budgets
    ADMIN = "admin"              # and sets budgets, agents, users

    def reaches(self, needed: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class User:
    name: str
    role: Role
    password: Hashed | None = None   # None: comes in by the provider only
    added: str = ""                  # the day
    by: str = ""

    @property
    def fingerprint(self) -> str:
        """Another one when the password changes; "" without one."""
        return self.password.hash if self.password else ""


class Users:
    """The file, read again whenever it changed. Safe in threads and processes: a change holds a lock from reading to replacing."""

    def __init__(self, config: Config) -> None:
        self.file = config.data_dir / "users.yaml"
        self._read: tuple[object, dict[str, User]] = (None, {})

    def all(self) -> dict[str, User]:
        """By name. Raises ConfigError for a file that cannot be read: then nobody gets in."""
        try:
            stat = self.file.stat()
        except FileNotFoundError:
            return {}
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if self._read[0] != stamp:
            self._read = (stamp, _load(self.file))
        return self._read[1]

    def get(self, name: str) -> User:
        try:
            return self.all()[cleaned(name)]
        except KeyError:
            raise NotFound(f"there is no user {name!r}", f"there are {', '.join(self.all()) or 'none'}: python -m core users add NAME") from None

    def admins(self) -> list[str]:
        return [u.name for u in self.all().values() if u.role is Role.ADMIN]

    def coming_by_provider(self, email: str) -> User | None:
        """Who a provider says is there: an entry of their own, of their domain, else a viewer where no domain is named."""
        known, name = self.all(), email.strip().lower()
        domains = {n: u.role for n, u in known.items() if n.startswith("@")}
        if not name or "@" not in name or name in domains:
            return None
        if name in known:
            return known[name]
        domain = f"@{name.rpartition('@')[2]}"
        return User(name, domains.get(domain, Role.VIEWER)) if domain in domains or not domains else None

    def add(self, name: str, role: Role | str, password: str | None = None, by: str = "") -> User:
        """Raises UsageError for a name that is none, Conflict for one that is there. Without a password they come in by the provider only."""
        made = User(_new(name), _role(role), Hashed.of(password) if password is not None else None, f"{datetime.now(UTC):%Y-%m-%d}", by)
        with self._changing() as users:
            if made.name in users:
                raise Conflict(f"{made.name} is there already", f"python -m core users role {made.name} {made.role}, or python -m core users password {made.name}")
            if not users and made.role is not Role.ADMIN and made.password:
                raise UsageError(f"{made.name} would be the first user, and no admin", "let the first be one: --role admin")
            users[made.name] = made
        return made

    def set_role(self, name: str, role: Role | str) -> User:
        return self._change(name, role=_role(role))

    def set_password(self, name: str, password: str) -> User:
        """Whoever is signed in by the old one is signed out."""
        self.get(name)
        return self._change(name, password=Hashed.of(password))

    def remove(self, name: str) -> None:
        """What they decided stays. Raises Conflict when no admin would be left among others."""
        name = self.get(name).name
        with self._changing() as users:
            users.pop(name, None)

    def _change(self, name: str, **change: Any) -> User:
        name = self.get(name).name
        with self._changing() as users:
            if name not in users:
                raise Conflict(f"{name} was removed in the meantime", "add them again")
            users[name] = made = User(**{**vars(users[name]), **change})
        return made

    @contextmanager
    def _changing(self) -> Iterator[dict[str, User]]:
        """The users, to be changed; written when nothing was raised."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with (self.file.parent / "users.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                users = dict(self.all())
                had = any(u.role is Role.ADMIN for u in users.values())
                yield users
                if had and users and not any(u.role is Role.ADMIN for u in users.values()):
                    raise Conflict("no admin would be left", "make somebody else an admin first: python -m core users role NAME admin")
                write_private(self.file, yaml.safe_dump({u.name: _as_yaml(u) for u in users.values()}, sort_keys=False, allow_unicode=True).encode())
        except OSError as error:
            raise ConfigError(f"{self.file} cannot be written: {error.strerror or error}", "make DATA_DIR writable") from error


def cleaned(name: str) -> str:
    """Names are told apart without regard to case."""
    return name.strip().lower()


def _new(name: str) -> str:
    made = cleaned(name)
    if not NAME.fullmatch(made) or ("@" in made[1:] and made.startswith("@")):
        raise UsageError(f"{name!r} is no name", "use letters, digits, dots, dashes, or an e-mail address; at most 64")
    if made in TAKEN:
        raise UsageError(f"nobody can be named {made!r}", f"{', '.join(TAKEN)} stand for others beside what is decided")
    return made


def _role(role: Role | str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise UsageError(f"there is no role {role!r}", f"use {', '.join(Role)}") from None


def _load(file: Path) -> dict[str, User]:
    try:
        data = parsed(file.read_text(encoding="utf-8")) or {}
        return {str(name): User(str(name), Role(entry["role"]), Hashed(**entry["password"]) if entry.get("password") else None, str(entry.get("added", "")), str(entry.get("by", "")))
                for name, entry in data.items()}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {type(error).__name__}", "mend it, or move it away and add the users again: python -m core users add NAME --role admin") from None


def _as_yaml(user: User) -> dict[str, Any]:
    told = {"role": str(user.role), "password": asdict(user.password) if user.password else None, "added": user.added, "by": user.by}
    return {key: value for key, value in told.items() if value}


def write_private(file: Path, content: bytes) -> None:
    """Whole or not at all, and readable by its owner alone from the first moment."""
    handle, made = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")     # mode 0600
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(made, file)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def signing_key(config: Config) -> bytes:
    """32 random bytes in DATA_DIR/sign_in.key, made when they are first needed; without the file everybody signs in anew. Raises ConfigError."""
    file = config.data_dir / "sign_in.key"
    try:
        if not file.exists():
            config.data_dir.mkdir(parents=True, exist_ok=True)
            with (config.data_dir / "users.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not file.exists():
                    write_private(file, secrets.token_bytes(32))
        key = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be used: {error.strerror or error}", "make DATA_DIR writable, and the file readable") from error
    if len(key) < 32:
        raise ConfigError(f"{file} holds {len(key)} bytes, not 32", "remove it: another is made, and everybody signs in anew")
    return key


def provider_file() -> Path | None:
    """The secrets.toml that names an OIDC provider in [auth], where Streamlit looks for one."""
    for file in (ROOT / ".streamlit" / "secrets.toml", Path.home() / ".streamlit" / "secrets.toml"):
        try:
            if "auth" in tomllib.loads(file.read_text(encoding="utf-8")):
                return file
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):      # Streamlit tells what is wrong with it
            continue
    return None


def is_loopback(address: str | None) -> bool:
    """Whether a server bound to it is reached from this machine alone; one without an address listens to everybody."""
    if not address:
        return False
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:           # a host's name
        return False


def somebody_can_sign_in(config: Config) -> bool:
    return any(u.password for u in Users(config).all().values()) or provider_file() is not None


class Admitting:
    """The desk's verbs about users."""

    config: Config
    author: str

    @property
    def people(self) -> Users:
        return Users(self.config)

    def users(self) -> dict[str, User]:
        return self.people.all()

    def add_user(self, name: str, role: Role | str = Role.VIEWER, password: str | None = None) -> User:
        return self.people.add(name, role, password, self.author)

    def set_role(self, name: str, role: Role | str) -> User:
        return self.people.set_role(name, role)

    def set_password(self, name: str, password: str) -> User:
        return self.people.set_password(name, password)

    def remove_user(self, name: str) -> None:
        self.people.remove(name)

    def change_password(self, old: str, new: str) -> User:
        """One's own. Raises UsageError where the old one is wrong."""
        me = self.people.get(self.author)
        if me.password is None or not me.password.is_of(old):
            raise UsageError("the present password is another", "type it again; an admin can set a new one")
        return self.people.set_password(me.name, new)
