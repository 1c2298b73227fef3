"""What a call may cost, before it is made: an upper bound of tokens and money, held against the budgets that are set.

Two accounts of the ledger limit calls, `money` (US dollars) and `tokens`; a run may have its own beside them (`RUN/money`, `RUN/tokens`). One that nobody
opened limits nothing. A token is never less than a byte of what is sent, and `max_tokens` holds the answer, so no call costs more than was held for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from core.config import Config
from core.errors import ConfigError, PriceUnknown
from core.jobs.process import is_dead
from core.llm.base import Request, Usage
from core.llm.catalogue import Catalogue, load_catalogue
from core.llm.price import FREE, Price, PriceTable, known_prices
from core.store import Store
from core.types import MONEY, TOKENS, Call, CallState

FUZZ = 1e-6                     # of a token: what a budget set to exactly the price of a call may lack in binary
OVERHEAD, PER_PIECE = 1024, 64  # tokens: of a provider's own words around a prompt (with tools about 500), and around each turn and tool


@dataclass(frozen=True)
class Held:
    """What is set aside for one try. `request` is the one that is sent: its answer may be shorter than was wished for, by no more than half;
    `shortened` is what the whole would have taken then."""

    request: Request
    price: Price | None
    input_bound: int
    amounts: Mapping[str, float]
    shortened: Short | None = None


@dataclass(frozen=True)
class Short:
    """An account that has not enough left; `in_flight` would come back from other calls at best. `needed` pays for an answer of half the length that was
    wished for, `wanted` for all of it."""

    account: str
    needed: float
    wanted: float
    left: float
    in_flight: float
    granted: float

    @property
    def may_come(self) -> bool:
        return self.left + self.in_flight >= self.needed


class Purse:
    def __init__(self, store: Store, prices: PriceTable, least_answer: int = 512) -> None:
        self._store = store
        self._prices = prices
        self._least = least_answer

    def accounts(self, run: str) -> list[str]:
        names = [MONEY, TOKENS, *([f"{run}/{MONEY}", f"{run}/{TOKENS}"] if run else [])]
        return [name for name in names if self._store.ledger.opened(name)]

    def price(self, name: str, free: bool) -> Price | None:
        if self._prices.error:      # the file may have been mended meanwhile
            self._prices = known_prices(self._prices.path)
        return FREE if free else self._prices.of(name)

    def held(self, name: str, free: bool, request: Request, run: str) -> Held | Short:
        """Nothing is reserved yet: see Calls.begin, in whose transaction this is asked."""
        price, bound = self.price(name, free), input_bound(request)
        accounts = self.accounts(run)
        if price is None and any(_is_money(a) for a in accounts) and not self._prices.allow_unknown:
            what, why = f"there is a budget in money, and the price of {name} is not known", self._prices.error
            if why:
                raise PriceUnknown(f"{what}: {why.what}", why.mend)
            raise PriceUnknown(what, f"add it to {self._prices.path}, or set allow_unknown: true there (the budget in tokens still holds)")
        answer, shortened = request.max_tokens, None
        least = max(min(self._least, answer), math.ceil(answer / 2))  # a plan that is cut off in the middle is money thrown away
        for account in accounts:
            base, each = self._costs(account, price, bound)
            now = self._store.ledger.account(account)
            if each <= 0:
                continue
            fits = math.floor((now.left - base) / each + FUZZ)
            short = Short(account, base + each * least, base + each * request.max_tokens, now.left, now.reserved, now.granted)
            if fits < least:
                return short
            if fits < answer:
                answer, shortened = fits, short
        amounts = {}
        for account in accounts:
            base, each = self._costs(account, price, bound)
            if base + each * answer > 0:
                amounts[account] = up(base + each * answer)
        return Held(replace(request, max_tokens=answer), price, bound, amounts, shortened)

    def bury(self, call: Call, free: bool) -> None:
        """End a try whose process is gone; it is charged with all that was held, since it may have been paid."""
        request = Request.from_dict(call.request)
        usage = Usage(input_bound(request), request.max_tokens, estimated=True)
        price = self.price(call.model, free)
        self._store.calls.finish(call, CallState.CUT, usage=vars(usage), money=price.most(usage.input, usage.output) if price else None, charges=call.held,
                                 error="its process was killed; it may have been paid", seconds=0.0)

    def charges(self, held: Mapping[str, float], usage: Usage, money: float | None) -> dict[str, float]:
        return {account: up(money or 0.0) if _is_money(account) else float(usage.input + usage.output) for account in held}

    def _costs(self, account: str, price: Price | None, bound: int) -> tuple[float, float]:
        """(of the prompt, of each token of the answer) in the account's own coin."""
        if not _is_money(account):
            return float(bound), 1.0
        return (price.most(bound, 0), price.most(bound, 1) - price.most(bound, 0)) if price else (0.0, 0.0)


def is_lost(store: Store, call: Call) -> bool:
    """Whether an open try has lost its process."""
    return is_dead(call.process) or store.calls.is_late(call)


def bury_lost(store: Store, config: Config, calls: Iterable[Call]) -> None:
    """What open tries whose process is gone hold of the budgets is settled, without a language model at hand."""
    lost = [call for call in calls if is_lost(store, call)]
    if not lost:
        return
    try:
        catalogue = load_catalogue(config.providers_file)
    except ConfigError:  # the file is being edited: which are free is not known then, what they held is charged all the same
        catalogue = Catalogue(config.providers_file, {})
    purse = Purse(store, known_prices(config.prices_file))
    for call in lost:
        purse.bury(call, catalogue.is_free(call.model))


def input_bound(request: Request) -> int:
    """At least as many tokens as any provider counts for the prompt."""
    body = json.dumps(request.to_dict(), ensure_ascii=False).encode("utf-8", "replace")
    return len(body) + OVERHEAD + PER_PIECE * (len(request.turns) + len(request.tools))


def up(amount: float) -> float:
    """To the next millionth, which is the ledger's smallest coin."""
    return math.ceil(amount * 1e6 - 1e-4) / 1e6


def _is_money(account: str) -> bool:
    return account.rpartition("/")[2] == MONEY
