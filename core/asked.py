"""What a person asked for, looked at before anything is done: words where words are needed, numbers within bounds, a mode that fits the parents."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import UsageError
from core.types import Mode


def words(text: str, complaint: str) -> str:
    """The text without the blanks round it. Raises UsageError where there is none."""
    if not text.strip():
        raise UsageError(complaint, "write a few words")
    return text.strip()


def within(what: str, value: float, low: float, high: float) -> None:
    """Raises UsageError for a value beyond its bounds."""
    if not low <= value <= high:
        raise UsageError(f"{what} is {value}", f"it must lie between {low} and {high}")


def implied_mode(parents: Sequence[str]) -> Mode:
    return Mode.SCRATCH if not parents else Mode.MUTATION if len(parents) == 1 else Mode.CROSSOVER
