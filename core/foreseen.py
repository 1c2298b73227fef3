"""What letting a proposal go on will cost, said before it does: writing its code, from what the team's coders took lately, and verifying it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.agents.spec import AgentSpec, may_ask
from core.agents.versions import Versions
from core.estimates import estimate, took
from core.machine import Machine
from core.store import Store
from core.types import MONEY, TOKENS, Proposal, Scale, Session

WRITERS = ("coder", "debugger", "observer")      # roles that speak while code is written


@dataclass(frozen=True)
class Foreseen:
    """`None` means that nobody can know yet; it is said as unknown, never as nothing."""

    asks: bool                       # whether a language model is asked at all
    tokens: float | None
    money: float | None              # US dollars
    past: int                        # designs whose code the averages are taken of
    seconds: float                   # of one verification at the scale
    basis: str                       # of the seconds, in words
    scale: str
    device: str                      # "GPU" or "CPU"
    money_left: float | None         # before; None where no budget is set
    tokens_left: float | None

    @property
    def code(self) -> str:
        """What the code costs, in words."""
        if not self.asks:
            return "no calls"
        if self.tokens is None:
            return "tokens and price unknown"
        return f"~{_short(self.tokens)} tokens, " + ("price unknown" if self.money is None else _dollars(self.money))

    def __add__(self, other: Foreseen) -> Foreseen:
        """Both, one after the other; what is not known of one is not known of both. Of several accounts the one with least is told."""
        def both(a: float | None, b: float | None) -> float | None:
            return None if a is None or b is None else a + b

        def least(a: float | None, b: float | None) -> float | None:
            return min((x for x in (a, b) if x is not None), default=None)

        scale = self.scale if other.scale in self.scale.split(", ") else f"{self.scale}, {other.scale}"
        return replace(self, scale=scale, money_left=least(self.money_left, other.money_left), tokens_left=least(self.tokens_left, other.tokens_left), asks=self.asks or other.asks, tokens=both(self.tokens, other.tokens), money=both(self.money, other.money), seconds=self.seconds + other.seconds)

    @property
    def words(self) -> str:
        """~12k tokens, $0.04, ~2 min CPU at nano; $9.20 left after"""
        left = ""
        if self.asks and self.money_left is not None:
            left = f"; {_dollars(self.money_left - self.money)} left after" if self.money is not None else f"; {_dollars(self.money_left)} left"
        elif self.asks and self.tokens_left is not None:
            left = f"; {_short(self.tokens_left - (self.tokens or 0))} tokens left" + (" after" if self.tokens is not None else "")
        return f"{self.code}, ~{took(self.seconds)} {self.device} at {self.scale}{left}"

    @property
    def from_what(self) -> str:
        """Where the figures come from."""
        if not self.asks:
            told = "its units are all there: a program puts them together, no model is asked"
        elif self.tokens is None:
            told = "this team has written no code yet, so nobody knows what it takes"
        else:
            told = f"the mean of the last {self.past} design{'s' * (self.past != 1)} that this team's coders wrote"
        return f"Code: {told}. Verification: {self.basis}."


def foreseen(store: Store, specs: Versions[AgentSpec], scales: Mapping[str, Scale], machine: Machine, about: Sequence[tuple[Proposal, Session | None]]) -> list[Foreseen]:
    """Of each proposal, in this order."""
    at = {p.design_id: s.scale if s and s.scale in scales else next(iter(scales)) for p, s in about}
    times: dict[str, tuple[float, str]] = {}
    for scale in dict.fromkeys(at.values()):
        found = estimate(store, scales, [i for i, own in at.items() if own == scale], scales[scale], 1, machine)
        times |= {part.design_id: (part.seconds, found.basis) for part in found.parts}
    accounts = {a.name: a.left for a in store.ledger.accounts()}
    past: dict[tuple[str, ...], list[tuple[int, float | None]]] = {}
    return [_one(store, specs, accounts, past, proposal, session, at[proposal.design_id], *times[proposal.design_id], "GPU" if machine.device == "cuda" else "CPU")
            for proposal, session in about]


def _one(store: Store, specs: Versions[AgentSpec], accounts: Mapping[str, float], kept: dict[tuple[str, ...], list[tuple[int, float | None]]], proposal: Proposal, session: Session | None,
         scale: str, seconds: float, basis: str, device: str) -> Foreseen:
    team = session.team if session else {}
    writers = [name for role in WRITERS if isinstance(name := team.get(role), str) and may_ask(specs, name)]
    asks = bool(writers) and bool(proposal.new_units)
    if asks and tuple(writers) not in kept:
        kept[tuple(writers)] = store.waiting.code_costs(writers)
    past = kept[tuple(writers)] if asks else []
    known = [money for _, money in past if money is not None]
    run = session.run_id if session else None

    def left(name: str) -> float | None:
        """Of the tighter of the run's own account and that of all."""
        found = [accounts[key] for key in (name, f"{run}/{name}") if key in accounts]
        return min(found) if found else None

    return Foreseen(
        asks, (sum(t for t, _ in past) / len(past) if past else None) if asks else 0.0,
        (sum(known) / len(known) if known and len(known) == len(past) else None) if asks else 0.0,
        len(past), seconds, basis, scale, device, left(MONEY), left(TOKENS))


def _short(tokens: float) -> str:
    return f"{tokens / 1e6:.1f}M" if tokens >= 1e6 else f"{tokens / 1e3:.0f}k" if tokens >= 1000 else f"{tokens:.0f}"


def _dollars(amount: float) -> str:
    sign = "−" if amount < 0 else ""
    amount = abs(amount)
    return f"{sign}${amount:.2f}" if amount >= 0.1 or not amount else f"{sign}${amount:.2g}"
