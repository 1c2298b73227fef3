"""What a table of probes shows."""

from __future__ import annotations

from collections.abc import Sequence

from core.types import ProbeResult


def relative(result: ProbeResult) -> float:
    """0 at chance, 1 when all is right; 0 where the probe failed."""
    return 0.0 if result.failure else (result.accuracy - result.chance) / (1 - result.chance)


def mean(results: Sequence[ProbeResult]) -> float:
    """Of the relative accuracies, each probe counting the same."""
    return sum(map(relative, results)) / len(results) if results else 0.0
