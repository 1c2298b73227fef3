"""The tripwire: a score far below everything known is first of all a reason to look for a leak.

A design whose bits per byte lie more than 10 % below *every* reference at that scale and corpus has more likely seen the answer than found a
new architecture (the best published gains over a tuned Transformer at one size are a few per cent). It does not count until the deep causality audit of its
trained weights has passed. What it does not catch: a leak that gains less than a tenth.
"""

from __future__ import annotations

BELOW = 0.10


def limit(lowest_reference: float) -> float:
    """Bits per byte below which a score is suspicious."""
    return (1 - BELOW) * lowest_reference


def words(score: float, lowest_reference: float) -> str:
    return f"{score:.4f} bits per byte lie {1 - score / lowest_reference:.0%} below the lowest reference ({lowest_reference:.4f})"
