"""Keys never leave: every text that came from outside passes here before it is raised, stored or shown. Servers like to echo a refused key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

from core.errors import ModelDiscoveryError

HIDDEN = "[key]"
LOOKS_LIKE_ONE = re.compile(r"\b(?:sk|pk|rk|gsk|hf|xai|tgp|nvapi|pplx|ghp|r8)[-_][A-Za-z0-9_*-]{12,}|\bAIza[A-Za-z0-9_-]{20,}|(?i:bearer)\s+[A-Za-z0-9._~+/*-]{8,}=*|(?<=x-api-key: )\S+")
SHORTEST = 6  # a "key" of less (some local servers want any word) is no secret, and would blot out ordinary text


class Scrubber:
    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({form for s in secrets if len(s) >= SHORTEST for form in _forms(str.__str__(s))}, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Scrubber({len(self._secrets)} secrets)"

    def __call__(self, text: str) -> str:
        return LOOKS_LIKE_ONE.sub(HIDDEN, self.exact(text))

    def exact(self, text: str) -> str:
        """Without the known keys; what only looks like one stays (an answer may well speak of `sk-…`)."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def pieces(self) -> Pieces:
        return Pieces(self)

    def waits(self, text: str) -> int:
        """How many characters at the end of a text may be the beginning of a key."""
        longest = 0
        for secret in self._secrets:
            for n in range(min(len(secret) - 1, len(text)), longest, -1):
                if text.endswith(secret[:n]):
                    longest = n
                    break
        return longest


class Pieces:
    """The same for a text that arrives in pieces: holds back an end that may be the beginning of a key."""

    def __init__(self, scrub: Scrubber) -> None:
        self._scrub = scrub
        self._held = ""

    def feed(self, text: str) -> str:
        whole = self._scrub.exact(self._held + text)
        n = self._scrub.waits(whole)
        self._held = whole[len(whole) - n:]
        return whole[:len(whole) - n]

    def rest(self) -> str:
        held, self._held = self._held, ""
        return held


@contextmanager
def no_keys() -> Iterator[None]:
    """Round the reading of a file of a person's: an error of ours that quotes it is raised without what looks like a key, its cause left behind. Also a decorator."""
    try:
        yield
    except ModelDiscoveryError as error:
        scrub = Scrubber()
        if (clean := (scrub(error.what), scrub(error.mend))) == (error.what, error.mend):
            raise
        raise type(error)(*clean) from None


def _forms(secret: str) -> set[str]:
    """As it stands, in a URL, in JSON."""
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
