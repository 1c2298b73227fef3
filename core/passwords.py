"""Passwords as scrypt hashes (Percival, RFC 7914) with n = 2^15, r = 8, p = 3: about 0.3 s and 32 MB a try, the OWASP cheat sheet's least for that memory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import UsageError

SHORTEST, LONGEST = 8, 1024          # characters (NIST SP 800-63B: at least 8, no rules of composition)
COST = {"n": 2**15, "r": 8, "p": 3}
MEMORY = 2**27                       # bytes that one try may take, at most


@dataclass(frozen=True)
class Hashed:
    """A password that can be checked and not read. `salt` and `hash` in base64."""

    n: int
    r: int
    p: int
    salt: str
    hash: str

    @classmethod
    def of(cls, password: str, cost: Mapping[str, int] = COST) -> Hashed:
        """Raises UsageError for a password that is too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise UsageError(f"the password has {len(password)} characters", f"use {SHORTEST} to {LONGEST}; a few words are easier to keep than a riddle")
        salt = secrets.token_bytes(16)
        return cls(**cost, salt=base64.b64encode(salt).decode(), hash=base64.b64encode(_scrypt(password, salt, cost)).decode())

    @classmethod
    def of_nobody(cls) -> Hashed:
        """What no password opens, and takes as long to find out."""
        return cls(**COST, salt=base64.b64encode(secrets.token_bytes(16)).decode(), hash=base64.b64encode(secrets.token_bytes(32)).decode())

    def is_of(self, password: str) -> bool:
        """In a time that tells nothing of how much was right."""
        made = _scrypt(password[:LONGEST], base64.b64decode(self.salt), {"n": self.n, "r": self.r, "p": self.p})
        return hmac.compare_digest(made, base64.b64decode(self.hash))


def _scrypt(password: str, salt: bytes, cost: Mapping[str, int]) -> bytes:
    """One written form of what looks alike, so that a keyboard elsewhere types the same."""
    return hashlib.scrypt(unicodedata.normalize("NFKC", password).encode("utf-8", "replace"), salt=salt, **cost, maxmem=MEMORY, dklen=32)
