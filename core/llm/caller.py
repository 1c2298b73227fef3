"""Asking a language model: paid for once, within the budgets, tried again where that helps, and everything on record.

One ask, in the order in which it happens:

1. an answer that is stored under the key for the same request is given back; nothing is called;
2. somebody else who asks the same is waited for; one who died is charged with all that was held for it;
3. the most that the call can cost is reserved, and a row is written (one transaction);
4. the stream is read against a deadline, its deltas handed on;
5. the answer, or the fault, is written and the reservation settled (one transaction);
6. a fault that may pass is tried again after a while, then the next model; a `restart` delta says that what was shown begins anew.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.config import Config
from core.errors import BudgetExceeded, BudgetPaused, Conflict, LanguageModelError, Paused, PriceUnknown, ProviderPaused
from core.jobs.process import process_id
from core.llm.base import Answer, Delta, Finish, Provider, Request, Usage
from core.llm.breaker import Breaker
from core.llm.catalogue import Catalogue, Entry, load_catalogue
from core.llm.price import PriceTable, known_prices
from core.llm.purse import Held, Purse, Short, is_lost
from core.llm.reach import Reach
from core.llm.seen import Seen, fitted
from core.store import Store
from core.types import Call, CallState, Spent

OnDelta = Callable[[Delta], None]


@dataclass(frozen=True)
class Policy:
    tries: int = 4                   # at one model
    first_wait_s: float = 1.0        # doubled with each try
    longest_wait_s: float = 30.0
    longest_retry_after_s: float = 60.0   # beyond that, another model, or a pause
    total_s: float = 3600.0          # of one ask, all its tries
    breaker_faults: int = 5
    breaker_rest_s: float = 60.0
    least_answer: int = 512          # tokens; where the budget leaves fewer, or less than half of what is wished for, nothing is asked
    budget_wait_s: float = 300.0     # for calls in flight to give back what they do not need
    sweep_s: float = 60.0            # between looks for what killed processes still hold of the budgets
    look_s: float = 0.2              # between looks at whether somebody wants to stop


class Caller:
    """Safe to share between threads. `close` ends its connections."""

    def __init__(self, store: Store, catalogue: Catalogue, prices: PriceTable, reach: Reach, policy: Policy | None = None,
                 clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self.catalogue = catalogue
        self.policy = policy or Policy()
        self._store = store
        self._reach = reach
        self._clock = clock
        self._sleep = sleep
        self._process = process_id()
        self._purse = Purse(store, prices, self.policy.least_answer)
        self._swept = -math.inf
        self._breaker = Breaker(self.policy.breaker_faults, self.policy.breaker_rest_s, clock)

    @classmethod
    def open(cls, config: Config, store: Store, policy: Policy | None = None, extra: Mapping[str, Provider] | None = None) -> Caller:
        return cls(store, load_catalogue(config.providers_file), known_prices(config.prices_file), Reach(config, extra), policy)

    def close(self) -> None:
        self._reach.close()

    def ask(self, models: str | Sequence[str], request: Request, *, key: str, stream: str = "", author: str = "", on_delta: OnDelta = lambda _: None,
            check_cancel: Callable[[], None] = lambda: None, revision: str = "", design: str | None = None, run: str = "") -> Answer:
        """The answer of the first of `models` that gives one. `key` names the step; the same key and request are never paid twice.

        Raises Paused (BudgetPaused, ProviderPaused) where the work should be put aside: a fault that may pass and outlived all tries is a ProviderPaused,
        `unpaid` where none of it was paid. Any other LanguageModelError where no model could answer, and whatever `check_cancel` raises.
        """
        step = _Step(request, key, stream, author, on_delta, check_cancel, revision, design, run, self._clock() + self.policy.total_s)
        if found := self._store.calls.answered(key, request.hash):
            return _answer(found)
        names = self.catalogue.resolve(models, self._reach.keys)
        if self._clock() - self._swept > self.policy.sweep_s:
            self._swept = self._clock()
            self._bury_all()
        error: LanguageModelError | None = None
        for n, name in enumerate(names):
            try:
                return self._of_one(step, name, is_last=n == len(names) - 1)
            except LanguageModelError as fault:
                if isinstance(fault, Paused) and not isinstance(fault, ProviderPaused):
                    raise          # our own budget, or a person: another model changes nothing
                if error is None or (not isinstance(error, Paused) and not isinstance(fault, PriceUnknown)) or _sooner(fault, error):
                    error = fault  # one that asks for patience outweighs what became of the models behind it
                if n < len(names) - 1:
                    on_delta(Delta("restart", f"{fault.what}; now {names[n + 1]}"))
        assert error is not None
        raise error

    def money(self, key: str) -> float | None:
        """US dollars that a key's answer cost, its failed tries included; None where a price is not known."""
        spent = self._store.calls.spent(key=key)
        return None if spent.unpriced else spent.money

    def spent(self, key: str | None = None, stream: str | None = None, design: str | None = None, run: str | None = None) -> Spent:
        return self._store.calls.spent(key, stream, design, run)

    # ------------------------------------------------------------------------------------------ tries

    def _of_one(self, step: _Step, name: str, is_last: bool) -> Answer:
        """Tries at one model, with waits between them."""
        for n in range(1, self.policy.tries + 1):
            self._sit_out(step, name, is_last)
            try:
                answer = self._try(step, name)
            except Paused:
                raise
            except LanguageModelError as error:
                if not error.again:
                    raise
                self._breaker.failed(name)
                wait = self._wait(error, step.key, n)
                if (error.after_s or 0) > self.policy.longest_retry_after_s:
                    raise ProviderPaused(f"{error.what}; it wants {_span(error.after_s or 0)}", "go on then, or name another model to fall back to",
                                         after_s=error.after_s) from error
                if n == self.policy.tries or self._clock() + wait > step.end:
                    raise ProviderPaused(f"{error.what}; {n} tr{'y' if n == 1 else 'ies'} in vain", error.mend.replace("it is tried again", "wait, and ask again"),
                                         after_s=error.after_s, unpaid=error.unpaid) from error
                step.on_delta(Delta("restart", f"{error.what}; tried again in {_span(wait)}"))
                self._rest(wait, step.check_cancel)
            else:
                self._breaker.worked(name)
                return answer
        raise AssertionError("a loop of tries ends by returning or raising")

    def _sit_out(self, step: _Step, name: str, is_last: bool) -> None:
        """While the breaker is open: the next model is asked, or, at the last one, the rest is waited for."""
        while rest := self._breaker.rests(name):
            if not is_last or self._clock() + rest > step.end:
                raise ProviderPaused(f"{name} failed {self.policy.breaker_faults} times in a row and is left alone for {_span(rest)}", "wait, or name another model", after_s=rest)
            self._rest(rest, step.check_cancel)

    def _try(self, step: _Step, name: str) -> Answer:
        entry, model = self.catalogue.split(name)
        provider = self._reach.provider(entry)
        begun = self._begin(step, name, entry, fitted(step.request, entry.about(model)))
        if isinstance(begun, Answer):
            return begun
        call, held = begun
        seen = Seen(held, entry.about(model), self._reach.scrub)
        start = self._clock()
        try:
            answer = self._read(step, provider, model, held.request, seen)
        except BaseException as error:
            self._end(call, held, seen, error, self._clock() - start)
            raise
        if held.shortened and answer.finish is Finish.LENGTH:  # cut by the budget, not by its asker: paid, and asked again once all of it fits
            paused = _paused(held.shortened, name, "too little for the whole answer")
            self._end(call, held, answer, paused, self._clock() - start)
            raise paused
        self._end(call, held, answer, None, self._clock() - start)
        return answer

    def _read(self, step: _Step, provider: Provider, model: str, request: Request, seen: Seen) -> Answer:
        stream, looked = provider.stream(model, request), self._clock()
        try:
            for item in stream:
                if self._clock() - looked >= self.policy.look_s:
                    with suppress(Paused):  # a person's pause waits for the end of an answer that is paid for
                        step.check_cancel()
                    looked = self._clock()
                if isinstance(item, Answer):
                    for delta in seen.rest():
                        step.on_delta(delta)
                    return seen.clean(item)
                for delta in seen.take(item):
                    step.on_delta(delta)
        finally:
            if hasattr(stream, "close"):
                stream.close()
        raise AssertionError(f"{provider.name} ended without an answer or an error")

    # ------------------------------------------------------------------------------------------ the record

    def _begin(self, step: _Step, name: str, entry: Entry, request: Request) -> tuple[Call, Held] | Answer:
        calls, waited = self._store.calls, 0.0
        while True:
            step.check_cancel()
            if found := calls.answered(step.key, step.request.hash):
                return _answer(found)
            other = calls.open(step.key)
            if other and not self._buried(other):
                self._rest(self.policy.look_s, step.check_cancel)
                continue
            try:
                with self._store.together():
                    held = self._purse.held(name, entry.free, request, step.run)
                    if isinstance(held, Held):
                        call = calls.begin(step.key, step.request.hash, held.request.to_dict(), name, held.amounts, request.deadline_s, stream=step.stream,
                                           author=step.author, revision=step.revision, design_id=step.design, run_id=step.run, process=self._process)
                        return call, held
            except (Conflict, BudgetExceeded):  # somebody was a moment quicker
                self._rest(self.policy.look_s, step.check_cancel)
                continue
            if not self._bury_all() and (not held.may_come or waited >= self.policy.budget_wait_s):
                raise _paused(held, name)
            self._rest(self.policy.look_s, step.check_cancel)
            waited += self.policy.look_s

    def _end(self, call: Call, held: Held, got: Answer | Seen, error: BaseException | None, seconds: float) -> None:
        if isinstance(got, Answer):
            usage, state = got.usage, CallState.CUT if error else CallState.ANSWERED
            money = held.price.of(usage) if held.price else None
        elif isinstance(error, LanguageModelError) and error.unpaid:
            usage, state, money = Usage(), CallState.FAILED, 0.0
        else:
            usage, state = got.most(), CallState.CUT
            money = held.price.most(usage.input, usage.output) if held.price else None
        words = error.what if isinstance(error, LanguageModelError) else f"stopped: {type(error).__name__}" if error else ""
        self._store.calls.finish(call, state, usage=vars(usage), money=money, charges=self._purse.charges(call.held, usage, money), seconds=seconds,
                                 answer=got.to_dict() if isinstance(got, Answer) and not error else None, error=self._reach.scrub(words))

    def _buried(self, call: Call) -> bool:
        """Whether an open try has lost its process; it is charged with all that was held, since it may have been paid."""
        if not is_lost(self._store, call):
            return False
        self._purse.bury(call, self.catalogue.is_free(call.model))
        return True

    def _bury_all(self) -> bool:
        """Whether a lost try gave anything back to wait for."""
        return any([self._buried(call) for call in self._store.calls.all_open()])

    # ------------------------------------------------------------------------------------------ time

    def _wait(self, error: LanguageModelError, key: str, n: int) -> float:
        """Exponential, with jitter over its upper half, so that those who failed together do not come back together."""
        wait = min(self.policy.first_wait_s * 2 ** (n - 1), self.policy.longest_wait_s)
        wait *= 0.5 + 0.5 * random.Random(f"{key}/{n}").random()
        return max(wait, error.after_s or 0.0)

    def _rest(self, seconds: float, check_cancel: Callable[[], None]) -> None:
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0:
            check_cancel()
            self._sleep(min(left, self.policy.look_s))


@dataclass(frozen=True)
class _Step:
    request: Request
    key: str
    stream: str
    author: str
    on_delta: OnDelta
    check_cancel: Callable[[], None]
    revision: str
    design: str | None
    run: str
    end: float


def _sooner(fault: LanguageModelError, than: LanguageModelError) -> bool:
    return isinstance(fault, ProviderPaused) and isinstance(than, ProviderPaused) and (fault.after_s or 0.0) < (than.after_s or 0.0)


def _answer(call: Call) -> Answer:
    assert call.answer is not None
    return Answer.from_dict(call.answer)


def _paused(short: Short, name: str, how: str = "used up") -> BudgetPaused:
    unit = "tokens" if short.account.endswith("tokens") else "US dollars"
    more = short.granted + max(short.wanted - short.left, 0.0)
    total = f"{more:.0f}" if unit == "tokens" else f"{more + 0.005:.2f}"
    return BudgetPaused(f"the budget {short.account} is {how}: {short.left:.6g} {unit} left, up to {short.wanted:.6g} needed to ask {name}",
                        f"python -m core budget {short.account} {total} or more: what waits for it goes on with the next worker", short.account)


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
