"""How long a job rests when a provider has no answer for it: ever longer, and in the end a person is asked.

A run over a night must outlive an outage of hours without hammering a provider that is down; nothing is asked, and nothing is paid, while it rests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import ProviderPaused
from core.types import Json


@dataclass(frozen=True)
class Patience:
    """The figures are judgements: outages of providers last minutes mostly, hours at times."""

    rests_s: tuple[float, ...] = (60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0)   # the last one again and again
    most_s: float = 16 * 3600.0      # of rests in a row, with no answer between
    most_paid: int = 8               # rests in a row, where what failed may have been paid (an answer that was cut, say)

    def rest(self, past: Sequence[float], why: ProviderPaused) -> float | None:
        """Seconds to rest after the rests `past` brought no answer; None where it is a person's turn. A provider's own word is kept to."""
        if sum(past) >= self.most_s or (not why.unpaid and len(past) >= self.most_paid):
            return None
        wait = max(self.rests_s[min(len(past), len(self.rests_s) - 1)], why.after_s or 0.0)
        return wait if wait <= self.most_s else None


@dataclass(frozen=True)
class Later:
    """What a handler returns in the place of its result: the work is put aside until a provider answers again. `result` counts where patience is at its end."""

    result: Json
    why: ProviderPaused
