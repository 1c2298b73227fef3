"""What calls cost: library/prices.yaml. A price that is not there is None all the way up to the screen, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from core.llm.base import Usage
from core.llm.catalogue import load_yaml
from core.llm.scrub import no_keys

MILLION = 1e6


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    long: Mapping[str, float] | None = None   # {"above": tokens of input, …}: the prices of a long prompt
    as_of: str = ""
    source: str = ""

    def of(self, usage: Usage) -> float:
        """What the usage cost."""
        rates = self._rates(usage.input)
        plain = max(0, usage.input - usage.cached - usage.cache_written)
        return (plain * rates["input"] + usage.cached * rates["cached"] + usage.cache_written * rates["cache_write"] + usage.output * rates["output"]) / MILLION

    def most(self, input_tokens: int, output_tokens: int) -> float:
        """The most that so many tokens can cost: at the dearest rate that may apply."""
        rates = self._rates(input_tokens)
        return (input_tokens * max(rates["input"], rates["cached"], rates["cache_write"]) + output_tokens * rates["output"]) / MILLION

    def _rates(self, input_tokens: int) -> dict[str, float]:
        own = {"input": self.input, "output": self.output, "cached": self.cached, "cache_write": self.cache_write}
        if self.long and input_tokens > self.long["above"]:
            own |= self.long
        return {name: own["input"] if rate is None else rate for name, rate in own.items()}


FREE = Price(0.0, 0.0, source="your own machine")


@dataclass(frozen=True)
class PriceTable:
    path: Path
    prices: Mapping[str, Price]
    allow_unknown: bool = False
    error: ConfigError | None = None          # why the file cannot be read: no price is known then

    def of(self, model: str) -> Price | None:
        """Of `provider:model`; None where it is not known."""
        return next((price for pattern, price in self.prices.items() if fnmatchcase(model, pattern)), None)


def known_prices(path: Path) -> PriceTable:
    """The same where the file can be read; else a table that knows no price, and says why."""
    try:
        return load_prices(path)
    except ConfigError as error:
        return PriceTable(path, {}, error=error)


@no_keys()
def load_prices(path: Path) -> PriceTable:
    """Raises ConfigError naming the file, its line or entry, and what to give."""
    data = load_yaml(path)
    rows, allow = data.get("prices", {}), data.get("allow_unknown", False)
    if set(data) - {"prices", "allow_unknown"} or not isinstance(rows, dict) or not isinstance(allow, bool):
        raise ConfigError(f"{path}: it holds prices and allow_unknown, nothing else", "compare it with the library/prices.yaml that is shipped")
    return PriceTable(path, {str(pattern): _price(f"{path}: prices.{pattern}", row) for pattern, row in rows.items()}, allow)


def _price(where: str, row: Any) -> Price:
    known = {f.name for f in fields(Price)}
    if not isinstance(row, dict) or set(row) - known or row.get("input") is None or row.get("output") is None:
        raise ConfigError(f"{where} needs input and output, and knows {', '.join(sorted(known))}", "give both in US dollars per million tokens; leave the whole line out where a price is not known")
    numbers = {k: row[k] for k in ("input", "output", "cached", "cache_write") if row.get(k) is not None}
    long = row.get("long")
    if long is not None and (not isinstance(long, dict) or long.get("above") is None or set(long) - {"above", "input", "output", "cached", "cache_write"}):
        raise ConfigError(f"{where}.long needs above, and prices", "give the tokens of input above which other prices count, and those")
    for name, value in [*numbers.items(), *(long or {}).items()]:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise ConfigError(f"{where}.{name} {value!r} is no price", "give US dollars per million tokens")
    return Price(**numbers, long=long, as_of=str(row.get("as_of", "")), source=str(row.get("source", "")))
