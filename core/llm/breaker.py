"""A circuit breaker a model: after so many faults in a row nobody knocks for a while, then one may try, and its luck decides."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Breaker:
    def __init__(self, faults: int = 5, rest_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._faults = faults
        self._rest_s = rest_s
        self._clock = clock
        self._lock = threading.Lock()
        self._row: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def rests(self, name: str) -> float:
        """Seconds until `name` may be tried; 0 lets the asker through, and where it was open, nobody else until that one is back."""
        with self._lock:
            left = self._until.get(name, 0.0) - self._clock()
            if left > 0:
                return left
            if name in self._until:
                self._until[name] = self._clock() + self._rest_s
            return 0.0

    def worked(self, name: str) -> None:
        with self._lock:
            self._row.pop(name, None)
            self._until.pop(name, None)

    def failed(self, name: str) -> None:
        with self._lock:
            self._row[name] = self._row.get(name, 0) + 1
            if self._row[name] >= self._faults:
                self._until[name] = self._clock() + self._rest_s
