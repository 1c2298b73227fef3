"""The door for those who sign in by password: a name and a password become a token that a browser keeps, and a token becomes a user again.

A token is `<name>.<expiry>.<chance>.<mac>` in URL-safe base64, the MAC an HMAC-SHA-256 over these and the user's password hash, with the key in DATA_DIR. Nothing of it
is stored here: it ends by itself, with the key, with the user, or with their password; and, until the server starts again, when they sign out. Wrong passwords make the
next try wait, for each name, and as long for names that nobody has. What this does not stop: whoever has read the token in the browser may use it until it ends;
guessing slowly; somebody who tries wrong passwords so that another has to wait (who is signed in stays so).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.config import Config
from core.errors import NotAllowed
from core.passwords import Hashed
from core.users import User, Users, cleaned, signing_key

LASTS_S = 7 * 86_400             # a token
FREE_TRIES = 5                   # wrong passwords before there is a wait
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 900.0
FORGOTTEN_S = 86_400             # after which wrong tries do not count any more
MOST_NAMES = 10_000              # that are remembered; the oldest is forgotten first
AT_ONCE = 2                      # passwords that are checked at a time: each takes 32 MB


@dataclass
class Tries:
    """Wrong tries of each name, so far. Counted before the password is looked at, so that many at once are many."""

    clock: Callable[[], float]
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)      # name → (wrong tries, when the last began)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, name: str) -> None:
        """Raises NotAllowed while the name has to wait."""
        with self._lock:
            now = self.clock()
            count, last = self._seen.pop(name, (0, 0.0))
            if now - last > FORGOTTEN_S:
                count = 0
            left = last + wait_s(count) - now
            if left > 0:
                self._seen[name] = (count, last)
                raise NotAllowed(f"too many wrong tries for this name: wait {_spoken(left)}", "then try again; an admin can set a new password")
            self._seen[name] = (count + 1, now)
            while len(self._seen) > MOST_NAMES:
                self._seen.pop(next(iter(self._seen)))

    def succeeded(self, name: str) -> None:
        with self._lock:
            self._seen.pop(name, None)


def wait_s(wrong: int) -> float:
    """5 s after the fifth wrong try, twice as long after each further one, at most a quarter of an hour."""
    return 0.0 if wrong < FREE_TRIES else min(FIRST_WAIT_S * 2.0 ** min(wrong - FREE_TRIES, 20), LONGEST_WAIT_S)


class Door:
    """One for the server."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.time) -> None:
        self.users = Users(config)
        self._key = signing_key(config)
        self._clock = clock
        self._tries = Tries(clock)
        self._nobody = Hashed.of_nobody()
        self._few = threading.BoundedSemaphore(AT_ONCE)
        self._ended: dict[bytes, int] = {}       # the MACs of tokens that were signed out → when those end by themselves

    @property
    def cookie(self) -> str:
        """Its name: apps on other ports of the host, which share a browser's cookies, have others."""
        return f"model_discovery_{hashlib.sha256(self._key).hexdigest()[:8]}"

    def enter(self, name: str, password: str) -> str:
        """A token. Raises NotAllowed, with the same words and after the same time whether the name or the password is wrong."""
        name = cleaned(name)[:64]
        self._tries.begin(name)
        user = self.users.all().get(name)
        with self._few:
            right = (user.password if user and user.password else self._nobody).is_of(password)
        if not (right and user and user.password):
            raise NotAllowed("this name with this password is not known", "look at both again; an admin can set a new password")
        self._tries.succeeded(name)
        return self.token(user)

    def token(self, user: User) -> str:
        expiry, chance = int(self._clock()) + LASTS_S, secrets.token_urlsafe(6)
        return f"{_packed(user.name.encode())}.{expiry}.{chance}.{_packed(self._mac(user, expiry, chance))}"

    def end(self, token: str) -> None:
        """In all windows at once."""
        if found := self._read(token):
            _, mac, expiry = found
            now = self._clock()
            self._ended = {**{m: end for m, end in self._ended.items() if end > now}, mac: expiry}

    def who(self, token: str) -> User | None:
        """Whose token it is; None for one that ended, or never was."""
        found = self._read(token)
        return found[0] if found and found[1] not in self._ended else None

    def _read(self, token: str) -> tuple[User, bytes, int] | None:
        """(user, MAC, expiry) of a token that is one of ours and is not over."""
        try:
            packed, until, chance, mac = token.split(".")
            user, expiry = self.users.all().get(_unpacked(packed).decode()), int(until)
            if user is None or user.password is None or expiry < self._clock():
                return None
            own = self._mac(user, expiry, chance)
            return (user, own, expiry) if hmac.compare_digest(own, _unpacked(mac)) else None
        except ValueError:       # not four parts, no base64, no number, no UTF-8
            return None

    def _mac(self, user: User, expiry: int, chance: str) -> bytes:
        return hmac.digest(self._key, f"{user.name}\n{expiry}\n{chance}\n{user.fingerprint}".encode("utf-8", "replace"), "sha256")


def _packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
