"""What can go wrong, by name."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass

# name → HTTP status and the error's code; {key} is what the caller sent: some servers echo it
STATUS = {
    "unauthorized": (401, "invalid_api_key", "Incorrect API key provided: {key}. You can find your API key elsewhere."),
    "forbidden": (403, "permission_error", "The key {key} may not use this model."),
    "unknown_model": (404, "model_not_found", "The model does not exist."),
    "too_long": (400, "context_length_exceeded", "This model's maximum context length is 8192 tokens, you asked for 9000."),
    "bad_request": (400, "invalid_request_error", "Unsupported parameter: 'temperature'."),
    "no_tools": (400, "invalid_request_error", "Requests which include `tool_use` or `tool_result` blocks must define tools"),
    "rate_limit": (429, "rate_limit_exceeded", "Rate limit reached for requests."),
    "retry_after": (429, "rate_limit_exceeded", "Rate limit reached for the day."),
    "quota": (429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."),
    "error_500": (500, "server_error", "The server had an error."),
    "unavailable": (503, "server_error", "Service unavailable."),
    "overloaded": (529, "overloaded_error", "Overloaded"),
}
STREAM = ("cut", "broken", "stall", "pings", "bad_chunk", "error_event", "empty", "silent_headers", "html", "redirect", "not_streamed")
REPLIES = ("bad_arguments", "refused", "length")
FAULTS = (*STATUS, *STREAM, *REPLIES)
PASSING = ("rate_limit", "error_500", "unavailable", "overloaded", "cut", "broken", "stall", "bad_chunk", "error_event", "empty", "html")
PAID = ("cut", "broken", "stall", "pings", "bad_chunk", "error_event", "empty")   # a provider may bill these


@dataclass(frozen=True)
class Chance:
    """A fault for so many of the requests, drawn from `kinds`."""

    rate: float = 0.1
    seed: int = 0
    kinds: Sequence[str] = PASSING


class Faults:
    def __init__(self, wanted: Sequence[str | None] | Chance = ()) -> None:
        self._lock = threading.Lock()
        self._chance = wanted if isinstance(wanted, Chance) else None
        self._queue = [] if isinstance(wanted, Chance) else list(wanted)
        self._random = random.Random(self._chance.seed if self._chance else 0)
        self.happened: list[str] = []

    def next(self) -> str | None:
        with self._lock:
            if self._chance:
                fault = self._random.choice(list(self._chance.kinds)) if self._random.random() < self._chance.rate else None
            else:
                fault = self._queue.pop(0) if self._queue else None
            if fault:
                assert fault in FAULTS, fault
                self.happened.append(fault)
            return fault

    def add(self, *faults: str | None) -> None:
        with self._lock:
            self._queue += faults
