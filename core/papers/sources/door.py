"""The way to another library: polite, patient for a moment, and with a memory.

Requests of one source keep their distance, also those of other processes (the store knows when it was asked last). `Retry-After` is honoured: a short wait is sat out, a long one
is written down, and nobody asks before it is over. Answers are kept for a month, so that the same question costs nothing and works without a network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

import httpx

from core.errors import SourceError, SourceLimited
from core.papers.sources import SourceState, state_of
from core.store.citations import Lookups
from core.store.paper_nouns import Facts
from core.types import Json

FRESH_S = 30 * 86400.0
NOTHING_S = 86400.0      # that nothing was found is believed for a day
DOWN_S = 60.0
TRIES = 3
SIT_OUT_S = 12.0         # a longer Retry-After is not waited for
LARGEST = 20 * 2**20     # bytes of an answer


@dataclass(frozen=True)
class Wait:
    """The clock, for tests."""

    sleep: Callable[[float], None] = time.sleep


class Source(Protocol):
    """Every other library. Both verbs raise SourceLimited where it wants us to wait, SourceError where it gave nothing that can be used."""

    name: str

    def search(self, query: str, limit: int = 10) -> list[Facts]: ...

    def get(self, kind: str, value: str) -> Facts | None:
        """The paper of an arXiv id (kind arxiv), a DOI (doi) or the source's own id; None where it knows none, or does not know this kind."""
        ...

    def state(self) -> SourceState: ...


@dataclass(frozen=True)
class Door:
    name: str
    base: str
    apart_s: float                       # between two requests
    memory: Lookups
    client: httpx.Client
    wait: Wait
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def ask(self, key: str, path: str, params: Mapping[str, str | int], read: Callable[[bytes], list[Facts]]) -> list[Facts]:
        """What `read` makes of the answer, or what it made of it before. `read` raises ValueError, KeyError or TypeError for an answer that is none."""
        kept = self.memory.newest(self.name, key)
        if kept and kept.state == "ok" and kept.stands:
            return [Facts.from_dict(f) for f in kept.data["papers"]]
        self._refuse_early()
        body = self._fetch(path, params)
        try:
            found = read(body) if body is not None else []
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            self._note("down", f"{self.name} answered something that cannot be read", DOWN_S / 2)
            raise SourceError(f"{self.name} answered something that cannot be read: {type(error).__name__}", "try again later, or ask another source") from None
        self.memory.add(self.name, key, "ok", {"papers": [f.to_dict() for f in found]}, FRESH_S if found else NOTHING_S)
        self._note("ok", "", 0)
        return found

    def state(self) -> SourceState:
        return state_of(self.name, self.memory, bool(self.headers))

    # ------------------------------------------------------------------------------------------------- inside

    def _refuse_early(self) -> None:
        last = self.memory.newest(self.name, "state")
        if last and last.state != "ok" and last.stands:
            left = (last.until - datetime.now(UTC)).total_seconds()
            kind = SourceLimited if last.state == "limited" else SourceError
            words = (f"{last.data.get('words') or self.name + ' is ' + last.state}", f"it is asked again in {left:,.0f} s; other sources may answer now")
            raise kind(*words, after_s=left) if kind is SourceLimited else kind(*words)

    def _fetch(self, path: str, params: Mapping[str, str | int]) -> bytes | None:
        """The body; None where there is no such thing."""
        for attempt in range(1, TRIES + 1):
            self._keep_distance()
            try:
                answer = self.client.get(f"{self.base.rstrip('/')}{path}", params=dict(params), headers={"User-Agent": "model-discovery", **self.headers})
            except httpx.HTTPError as error:
                self._again_or_down(attempt, f"{self.name} cannot be reached: {type(error).__name__}")
                continue
            if answer.status_code == 404:
                return None
            if answer.status_code in (429, 503):
                self._again_or_limited(attempt, answer)
                continue
            if answer.status_code >= 500:
                self._again_or_down(attempt, f"{self.name} failed with {answer.status_code}")
                continue
            if answer.status_code in (401, 403):
                raise SourceError(f"{self.name} refused the request ({answer.status_code})", "check its key, or ask another source")
            if answer.status_code >= 400:
                raise SourceError(f"{self.name} did not understand the request ({answer.status_code})", "use other words")
            if len(answer.content) > LARGEST:
                raise SourceError(f"{self.name} answered {len(answer.content) / 2**20:,.0f} MB", "ask for less")
            return answer.content
        raise SourceError(f"{self.name} gave no answer", "try again later")

    def _again_or_down(self, attempt: int, words: str) -> None:
        if attempt < TRIES:
            self.wait.sleep(min(2.0**attempt, SIT_OUT_S))
            return
        self._note("down", words, DOWN_S)
        raise SourceError(words, "try again in a minute, or ask another source; what is in the library can be searched without it")

    def _again_or_limited(self, attempt: int, answer: httpx.Response) -> None:
        seconds = retry_after(answer)
        wait = 2.0**attempt if seconds is None else seconds
        if attempt < TRIES and wait <= SIT_OUT_S:
            self.wait.sleep(wait)
            return
        words = f"{self.name} takes no more requests for now"
        self._note("limited", words, max(wait, 30.0))
        raise SourceLimited(words, f"wait {max(wait, 30.0):,.0f} s, or ask another source", max(wait, 30.0))

    def _keep_distance(self) -> None:
        """The row is written before the request, so that processes beside us see it."""
        last = self.memory.newest(self.name, "asked")
        since = (datetime.now(UTC) - last.until).total_seconds() if last else 1e9
        if 0 <= since < self.apart_s:
            self.wait.sleep(self.apart_s - since)
        self.memory.add(self.name, "asked", "ok", {}, 0)

    def _note(self, state: str, words: str, seconds: float) -> None:
        last = self.memory.newest(self.name, "state")
        if state != "ok" or (last and last.state != "ok"):
            self.memory.add(self.name, "state", state, {"words": words}, seconds)


def retry_after(answer: httpx.Response) -> float | None:
    """Seconds, from seconds or a date; None where the server does not say."""
    said = answer.headers.get("retry-after", "").strip()
    if not said:
        return None
    if said.replace(".", "", 1).isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def listed(value: object) -> list[Json]:
    """Of JSON that should be a list of objects; raises TypeError where it is none."""
    if not isinstance(value, list) or any(not isinstance(v, dict) for v in value):
        raise TypeError("no list of objects")
    return value
