"""What a spec may say in numbers and names, so that nonsense is told when a spec is read or saved and not in the middle of a night.

A check takes a value and gives what is wanted in its place, in words; "" where the value is right.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import isfinite
from typing import Any

from core.agents.variation import CROSSOVERS, MUTATIONS

Check = Callable[[Any], str]

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")   # words that some provider knows; a model that does not is asked without
RULES = ("novelty", "cost", "plausibility")                              # core/agents/rules.py weighs these


def whole(low: int, high: int) -> Check:
    return lambda value: "" if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else f"a whole number from {low} to {high:,}"


def number(low: float, high: float, above: bool = False) -> Check:
    """`above`: `low` itself is not meant."""
    words = f"a number {f'above {low:g}, at most' if above else f'from {low:g} to'} {high:,.0f}"
    return lambda value: "" if is_number(value) and low <= value <= high and not (above and value == low) else words


def one_of(words: Collection[str]) -> Check:
    return lambda value: "" if isinstance(value, str) and value in words else f"one of {', '.join(words)}"


def names(what: str) -> Check:
    return lambda value: "" if isinstance(value, list) and all(isinstance(name, str) and name.strip() for name in value) else f"a list of {what}: [name, name]"


def weights(of: Collection[str], needed: Collection[str]) -> Check:
    def check(value: Any) -> str:
        right = (isinstance(value, dict) and set(needed) <= set(value) <= set(of) and all(is_number(w) and 0 <= w <= 1e6 for w in value.values()) and sum(value.values()) > 0)
        must = "" if set(needed) == set(of) else f" ({', '.join(needed)} must be there)"
        return "" if right else f"{{name: number}} for {', '.join(of)}{must}, none negative, not all of them 0"

    return check


def part(known: Mapping[str, Check]) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, dict) or set(value) - set(known):
            return f"{{name: value}} with {' or '.join(known)}"
        return next((f"as {name} {wanted}" for name, one in value.items() if (wanted := known[name](one))), "")

    return check


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


TEMPERATURE = number(0, 2)
PARAMETERS: Mapping[str, Check] = {"max_tokens": whole(16, 1_000_000), "temperature": TEMPERATURE, "effort": one_of(EFFORTS), "deadline_s": number(0, 86_400, above=True)}
LIMITS: Mapping[str, Check] = {"tool_calls": whole(0, 100), "repairs": whole(0, 20)}
ROUNDS, ACCEPT = whole(1, 10), number(0, 5)

# (role, engine) → the settings that its program reads; NEEDED are those that it cannot do without
SETTINGS: Mapping[tuple[str, str], Mapping[str, Check]] = {
    ("designer", "genetic"): {"attempts": whole(1, 10_000), "operators": weights(tuple(MUTATIONS), ("swap",)), "crossover": weights(tuple(CROSSOVERS), ())},
    ("reviewer", "rules"): {"weights": weights(RULES, RULES)},
    ("coder", "compose"): {},
    ("coder", "model"): {"attempts": whole(1, 50), "examples": names("the library's units")},
    ("reviewer", "model"): {"stuck": part({"temperature": TEMPERATURE, "models": names("models")})},
    **{(role, "model"): {} for role in ("designer", "debugger", "observer", "ranker", "librarian")},
}
NEEDED: Mapping[tuple[str, str], Collection[str]] = {("designer", "genetic"): ("attempts", "operators", "crossover"), ("reviewer", "rules"): ("weights",)}
