"""What goes wrong with a language model, in words and with its mend: the one place where errors of SDKs, HTTP and streams become ours.

| what came | what it becomes | tried again |
| --- | --- | --- |
| 401, 403 | KeyRefused, naming the variable that holds the key | no |
| 402, 429 for lack of money | QuotaSpent | no |
| 404 | ModelUnknown | no |
| 400, 413, 422 about the length | TooLong | no |
| other 400, 422, 3xx | LanguageModelError | no |
| 429, 408, 409, 5xx, 529 | Overloaded, with the Retry-After | yes |
| no connection | Overloaded | yes |
| silence, a deadline | TimedOut | yes |
| a cut stream, bad JSON, a web page, no finish reason | StreamCut | yes |
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import KeyRefused, LanguageModelError, ModelUnknown, Overloaded, QuotaSpent, StreamCut, TimedOut, TooLong
from core.llm.catalogue import Entry
from core.llm.scrub import Scrubber

LONGEST = 300  # characters of somebody else's words in a message of ours
QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing|credit balance|spend limit|spend_limit|out of credits", re.I)
LENGTH = re.compile(r"context[ _]length|context window|maximum context|too long|too many tokens|exceeds? the (?:maximum|model)|prompt is too large|max_model_len", re.I)


@dataclass(frozen=True)
class Teller:
    """Tells faults of one model at one provider."""

    entry: Entry
    model: str
    key_variable: str                # the variable that the key came from; "" without one
    scrub: Scrubber

    def tell(self, error: BaseException) -> LanguageModelError:
        """Whatever was raised on the way to an answer, as an error of ours; no key is in it."""
        import httpx2

        if isinstance(error, LanguageModelError):
            return error
        status = getattr(error, "status_code", None)
        if isinstance(status, int) and status >= 300:
            return self.status(status, body_text(error), getattr(getattr(error, "response", None), "headers", {}))
        chain = [error, error.__cause__, error.__context__]
        if any(isinstance(e, httpx2.ConnectError | httpx2.ConnectTimeout) for e in chain):
            return Overloaded(f"{self.entry.label} cannot be reached at {self.entry.at}{self._reason(error)}", self._start(), unpaid=True)
        if any(isinstance(e, httpx2.TimeoutException) for e in chain):
            return TimedOut(f"{self.entry.label} was silent for {self.entry.stall_s:g} s in the middle of an answer of {self.model}", "it is tried again")
        if isinstance(error, ValueError | KeyError | TypeError | AttributeError):
            return StreamCut(f"{self.entry.label} sent something that cannot be read in an answer of {self.model}{self._reason(error)}", "it is tried again")
        return StreamCut(f"the connection to {self.entry.label} broke in an answer of {self.model}{self._reason(error)}", "it is tried again")

    def status(self, status: int, words: str, headers: Mapping[str, str] | None = None, kind: str = "") -> LanguageModelError:
        """An HTTP status, or an error event inside a stream (`kind`: its type or code) that stands for one."""
        label, said = self.entry.label, self._said(words)
        about = f"{kind} {words}"
        if status in (401, 403):
            named = f" in {self.key_variable}" if self.key_variable else ""
            return KeyRefused(f"{label} refused the key{named} ({status}){said}", f"set {self.key_variable or 'its key'} to a valid one, with access to {self.model}")
        if status == 402 or (status in (400, 429) and QUOTA.search(about)):
            return QuotaSpent(f"{label} says that the account of its key has no money left ({status}){said}", f"add credit at {label}, or use another provider")
        if status == 404:
            return ModelUnknown(f"{label} knows no model {self.model!r} at {self.entry.at}{said}",
                                f"correct the name, or the base_url of {self.entry.name} in library/providers.yaml")
        if status == 413 or (status in (400, 422) and LENGTH.search(about)):
            return TooLong(f"the prompt is too long for {self.model} of {label}{said}", "shorten it, or take a model with a longer context")
        if status in (408, 409, 429) or status >= 500:
            why = "is asked too often" if status == 429 else "is overloaded" if status in (503, 529) else "has trouble of its own"
            return Overloaded(f"{label} {why} ({status}){said}", "it is tried again; if it stays so, use another provider", after_s=retry_after(headers or {}), unpaid=True)
        if status < 400:
            return LanguageModelError(f"{label} sends elsewhere ({status}) from {self.entry.at}", "correct base_url in library/providers.yaml", unpaid=True)
        return LanguageModelError(f"{label} does not take the request for {self.model} ({status}){said}",
                                  f"if a parameter is not supported, say so for {self.model} in library/providers.yaml", unpaid=True)

    def event(self, body: Any) -> LanguageModelError:
        """An error that came as an event of a stream. The status is guessed from its type; what had been said by then may have been paid."""
        inner = body.get("error", body) if isinstance(body, Mapping) else body
        inner = inner if isinstance(inner, Mapping) else {"message": inner}
        kind = f"{inner.get('type') or ''} {inner.get('code') or ''}".strip()
        status = next((number for word, number in STATUS_OF.items() if word in kind), 500)
        if str(inner.get("code", "")).isdigit() and 400 <= int(inner["code"]) < 600:
            status = int(inner["code"])
        error = self.status(status, str(inner.get("message") or kind or body), None, kind)
        error.unpaid = False
        return error

    def web_page(self, content_type: str, text: str) -> StreamCut:
        title = re.search(r"<title>(.*?)</title>", text, re.I | re.S)
        what = f"a page “{self.scrub(title[1].strip())[:80]}”" if title else content_type.partition(";")[0] or "something else"
        return StreamCut(f"{self.entry.label} answered with {what} instead of a stream", f"is {self.entry.at} right, and no proxy between?", unpaid=True)

    def cut(self, why: str) -> StreamCut:
        return StreamCut(f"the answer of {self.model} ({self.entry.label}) {why}", "it is tried again")

    def late(self, seconds: float) -> TimedOut:
        return TimedOut(f"{self.model} ({self.entry.label}) was not done after {seconds:g} s", "it is tried again; raise the deadline if it needs longer")

    def _said(self, words: str) -> str:
        text = " ".join(self.scrub(words).split())
        if text.lstrip().startswith("<"):
            text = re.sub(r"<[^>]*>", " ", text)
            text = " ".join(text.split())
        return f": {text[:LONGEST]}{'…' if len(text) > LONGEST else ''}" if text else ""

    def _reason(self, error: BaseException) -> str:
        text = str(error.__cause__ or error) or type(error).__name__
        return self._said(text)

    def _start(self) -> str:
        return f"start it ({self.entry.name}), or correct its base_url in library/providers.yaml" if not self.entry.key else "is there a network?"


STATUS_OF = {
    "overloaded": 529, "rate_limit": 429, "insufficient_quota": 429, "quota": 429, "authentication": 401, "invalid_api_key": 401, "permission": 403,
    "not_found": 404, "model_not_found": 404, "invalid_request": 400, "invalid_prompt": 400, "context_length": 400, "billing": 402, "timeout": 504,
}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from Retry-After in milliseconds, seconds or as a date (RFC 9110); None where it is missing or nonsense."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name)
        if not text:
            continue
        try:
            seconds = float(text) / unit
        except ValueError:
            date = email.utils.parsedate_tz(text)
            if date is None:
                continue
            seconds = email.utils.mktime_tz(date) - time.time()
        if seconds == seconds and seconds >= 0:
            return min(seconds, 1e9)
    return None


def body_text(error: BaseException) -> str:
    """What an SDK's error of an HTTP status says, whatever form its body has. Not yet cleaned of keys."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        if isinstance(inner, Mapping):
            parts = list(dict.fromkeys(str(inner[k]) for k in ("message", "code", "type") if inner.get(k)))
            return f"{parts[0]} ({', '.join(parts[1:])})" if len(parts) > 1 else "".join(parts)
        return str(inner)
    return str(body or getattr(error, "message", "") or error)
