"""What a run may spend, in words and numbers: a design budget in sessions, money or tokens; a ladder of verifications that narrows upward; where a run ends before its budgets do."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import UsageError
from core.types import MONEY, TOKENS, Json

FORMS = "12 (sessions), '$5', 200k tokens, or several: 12, $5"
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
NARROWS = 4          # a rung has so many times fewer verifications than the one below: about what 1000, 500, 200, 50, 10 does over the published ladder, where each costs more too
SEEDS = 2            # of each design before it may climb (core/selection/climb.py)
MANY = 100_000.0     # sessions: where money is left, and what one takes is not known


@dataclass(frozen=True)
class DesignBudget:
    """Each limit that is given holds; None gives none."""

    sessions: int | None = None
    money: float | None = None       # US dollars
    tokens: float | None = None

    @property
    def words(self) -> str:
        told = [f"{self.sessions} session{'' if self.sessions == 1 else 's'}"] if self.sessions is not None else []
        told += [f"${self.money:,.2f}"] if self.money is not None else []
        told += [f"{self.tokens:,.0f} tokens"] if self.tokens is not None else []
        return ", ".join(told) or "nothing"


@dataclass(frozen=True)
class Ends:
    """Where a run ends though there is budget left: a design of its own beats the reference at `scale` by `gain` bits per byte, or `patience` verifications in a row brought no better one."""

    scale: str = ""
    gain: float = 0.0
    patience: int = 0                # 0: however long it takes

    def to_dict(self) -> Json:
        return {"scale": self.scale, "gain": self.gain, "patience": self.patience}

    @classmethod
    def from_dict(cls, data: Json) -> Ends:
        return cls(data.get("scale", ""), data.get("gain", 0.0), data.get("patience", 0))

    @property
    def words(self) -> str:
        told = [f"a design of its own beats the reference by {self.gain:g} bits per byte at {self.scale}"] if self.scale else []
        return " or ".join(told + ([f"{self.patience} verifications in a row bring nothing better"] if self.patience else []))


def parse_design(text: str) -> DesignBudget:
    """`12`, `$5`, `200k tokens`; several with commas. Raises UsageError."""
    found: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text).split(","))):
        match = re.fullmatch(r"(\$)?\s*(\d+(?:\.\d+)?)\s*([kmb]?)\s*(tokens?|dollars?|usd|sessions?|designs?)?", part, re.IGNORECASE)
        if match is None:
            raise UsageError(f"{part!r} is no design budget", f"give {FORMS}")
        dollar, number, unit, noun = match.group(1), float(match.group(2)), match.group(3).lower(), (match.group(4) or "").lower()
        kind = MONEY if dollar or noun.startswith(("dollar", "usd")) else TOKENS if noun.startswith("token") else "sessions"
        amount = number * UNITS[unit]
        if (dollar and noun and not noun.startswith(("dollar", "usd"))) or (kind == "sessions" and amount != int(amount)) or kind in found:
            raise UsageError(f"{part!r} is no design budget beside the others", f"give {FORMS}")
        found[kind] = amount
    if not found:
        raise UsageError("the design budget says nothing", f"give {FORMS}")
    return DesignBudget(int(found["sessions"]) if "sessions" in found else None, found.get(MONEY), found.get(TOKENS))


def parse_verify(texts: Sequence[str]) -> tuple[dict[str, int], dict[str, float]]:
    """`nano=8,micro=25%`: (scale → units, scale → share of the rung below, by which it grows as that one is spent). Raises UsageError."""
    amounts: dict[str, int] = {}
    shares: dict[str, float] = {}
    for part in [p.strip() for entry in texts for p in entry.split(",") if p.strip()]:
        name, _, amount = part.partition("=")
        number = amount.removesuffix("%")
        if not (number.isdecimal() and number.isascii()):
            raise UsageError(f"--verify-budget {part!r} is not NAME=NUMBER", "for instance nano=8,micro=2, or nano=8,micro=25% to let micro grow with nano")
        if amount.endswith("%"):
            amounts[name], shares[name] = 0, int(number) / 100
        else:
            amounts[name] = int(number)
    return amounts, shares


def parse_target(text: str) -> tuple[str, float]:
    """`micro=0.02`: (scale, bits per byte below the reference). Raises UsageError."""
    scale, _, gain = text.partition("=")
    try:
        value = float(gain)
    except ValueError:
        value = math.nan
    if not scale or not 0 <= value < 10:
        raise UsageError(f"--target {text!r} is not SCALE=GAIN", "for instance micro=0.02: bits per byte below the reference's")
    return scale, value


def narrowing(designs: int, scales: Sequence[str], seeds: int = SEEDS, narrows: int = NARROWS) -> dict[str, int]:
    """A ladder for so many designs: each is measured at the cheapest rung, and one in `narrows` at each next one, all with `seeds` seeds and beside a reference with as many."""
    found: dict[str, int] = {}
    for rung, scale in enumerate(scales):
        climbing = designs if rung == 0 else math.ceil(designs / narrows**rung)
        found[scale] = (climbing + 1) * (seeds if rung else 1) + (seeds - 1) * (1 + math.ceil(designs / narrows) if rung == 0 and len(scales) > 1 else 0)
    return found


def grown(granted: float, spent_below: float, share: float) -> float:
    """What a rung is granted once so much of the rung below is spent; never less than it has."""
    return max(granted, float(math.floor(share * spent_below + 1e-9)))


def affordable(sessions: float | None, coins: Mapping[str, float], costs: Mapping[str, float]) -> float:
    """How many sessions may still begin: of each coin, what is left over what one took on average. One is begun while half of that is there."""
    most = MANY if sessions is None else sessions
    for name, left in coins.items():
        each = costs.get(name, 0.0)
        most = min(most, math.floor(left / each + 0.5) if each > 0 else MANY if left > 0 else 0.0)
    return most
