"""Gates: where a run stops for a person. A rule says of each step whether it asks; pure functions of a rule and of what is known about the thing at the gate.

A step is `propose` (a session opens), `implement` (code is written for a proposal) or `verify:SCALE`; a rule for `verify` holds at every scale that has none of its own.
What waits, what was let through and what began is in the store (core/store/gates.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.errors import UsageError
from core.types import Json, Scale

PROPOSE, IMPLEMENT, VERIFY = "propose", "implement", "verify"
WORD_FROM = 300e6    # parameters of a reference, without embeddings: from there on a verification costs a GPU for a day or more
FORM = "for instance implement=ask, verify:micro=ask-if:rating<3,cost>20 or propose=auto"


class Mode(StrEnum):
    ASK = "ask"
    ASK_IF = "ask if"
    AUTO = "auto"


@dataclass(frozen=True)
class Rule:
    """`ask if` asks where one of its bounds is passed, or where what a bound speaks of is not known. A bound that is None asks nothing."""

    mode: Mode = Mode.AUTO
    rating_below: float | None = None      # 0–5, the reviewers' mean
    cost_above: float | None = None        # minutes of training at `verify`, US dollars of calls before
    similarity_above: float | None = None  # 0–1, to the likest other design, by structure and text

    def asks(self, facts: Json) -> str:
        """Why a person is asked, in words; "" where it may go on. `facts`: "rating", "cost", "similarity", each a number, None (not known) or absent (does not apply)."""
        if facts.get("stuck"):
            return "its reviewer repeats itself: judge it yourself"
        if self.mode is not Mode.ASK_IF:
            return "the gate asks each time" if self.mode is Mode.ASK else ""
        return "; ".join(filter(None, (_passed(name, bound, facts, below) for name, bound, below in self._bounds())))

    def needs(self, name: str) -> bool:
        """Whether the rule speaks of this fact."""
        return self.mode is Mode.ASK_IF and any(name == other and bound is not None for other, bound, _ in self._bounds())

    @property
    def words(self) -> str:
        told = [f"{name}{'<' if below else '>'}{bound:g}" for name, bound, below in self._bounds() if bound is not None]
        return f"ask-if:{','.join(told)}" if self.mode is Mode.ASK_IF else str(self.mode)

    def _bounds(self) -> tuple[tuple[str, float | None, bool], ...]:
        return ("rating", self.rating_below, True), ("cost", self.cost_above, False), ("similarity", self.similarity_above, False)

    def to_dict(self) -> Json:
        return {"rule": str(self.mode), "rating_below": self.rating_below, "cost_above": self.cost_above, "similarity_above": self.similarity_above}

    @classmethod
    def from_dict(cls, data: Json) -> Rule:
        return cls(Mode(data["rule"]), data.get("rating_below"), data.get("cost_above"), data.get("similarity_above"))


ASK, AUTO = Rule(Mode.ASK), Rule(Mode.AUTO)


@dataclass(frozen=True)
class Gated:
    """Something that waits at a gate, or was held there."""

    run: str
    step: str
    subject: str                     # names it among the run's, once and for all
    design: str | None               # None before proposing
    scale: str                       # "" before verifying
    session: str
    why: str                         # it asks
    cost: str                        # what letting it through costs, in words
    since: datetime
    held: bool = False               # a person said no
    facts: Json = field(default_factory=dict, hash=False)
    word: int = 0                    # a person's last decision on it, when it was looked at

    @property
    def words(self) -> str:
        """What would be done."""
        if self.step == PROPOSE:
            parents = ", ".join(self.facts.get("parents", ()))
            return f"open session {self.session}: {self.facts.get('mode', '')}{' of ' * bool(parents)}{parents}"
        return f"write code for {self.design}" if self.step == IMPLEMENT else f"verify {self.design} at {self.scale}"


def rule_for(rules: Mapping[str, Rule], step: str, default: Rule = AUTO) -> Rule:
    """The step's own, or that of all its kind."""
    return rules.get(step) or rules.get(step.partition(":")[0]) or default


def needs_word(scale: Scale) -> bool:
    """Whether a run asks a person before it verifies there, unless it was told otherwise."""
    return 12 * scale.n_layers * scale.d_model**2 >= WORD_FROM


def checked_step(step: str, scales: Iterable[str]) -> str:
    kind, _, scale = step.partition(":")
    known = list(scales)
    if kind not in (PROPOSE, IMPLEMENT, VERIFY) or (scale and (kind != VERIFY or scale not in known)):
        raise UsageError(f"there is no step {step!r}", f"use {PROPOSE}, {IMPLEMENT}, {VERIFY}, or {VERIFY}: and one of {', '.join(known)}")
    return step


def checked_rule(step: str, rule: Rule) -> Rule:
    """Raises UsageError for bounds that say nothing, or cannot be known at the step."""
    if rule.mode is not Mode.ASK_IF:
        return Rule(rule.mode)
    if rule == Rule(Mode.ASK_IF):
        raise UsageError(f"{step}: ask-if says not when", "give a bound, for instance ask-if:rating<3")
    if step == PROPOSE and (rule.rating_below is not None or rule.similarity_above is not None):
        raise UsageError("before there is a proposal nobody has rated it, and it is like nothing", "use ask-if:cost>0.5 (US dollars), ask or auto")
    for name, bound, most in (("rating", rule.rating_below, 5.0), ("cost", rule.cost_above, 1e9), ("similarity", rule.similarity_above, 1.0)):
        if bound is not None and not 0 <= bound <= most:
            raise UsageError(f"{step}: {name} {bound:g} is out of reach", f"it lies between 0 and {most:g}")
    return rule


def parse_rule(text: str) -> Rule:
    """ask, auto, or ask-if:rating<3,cost>10,similarity>0.9"""
    mode, _, bounds = text.strip().partition(":")
    if mode in ("ask", "auto") and not bounds:
        return Rule(Mode(mode))
    if mode.replace("-", " ") != Mode.ASK_IF:
        raise UsageError(f"{text!r} is no rule of a gate", f"use ask, auto or ask-if:…, {FORM}")
    found: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in bounds.split(","))):
        sign = "<" if "<" in part else ">"
        name, _, number = part.partition(sign)
        key = {("rating", "<"): "rating_below", ("cost", ">"): "cost_above", ("similarity", ">"): "similarity_above"}.get((name.strip(), sign))
        try:
            found[key or ""] = float(number)
        except ValueError:
            key = None
        if key is None:
            raise UsageError(f"{part!r} is no bound", "use rating<NUMBER, cost>NUMBER (minutes at verify, US dollars before) or similarity>NUMBER")
    return Rule(Mode.ASK_IF, **found)


def parse_gates(texts: Iterable[str]) -> dict[str, Rule]:
    """`implement=ask,verify:micro=ask-if:rating<3,cost>10`: a part without = belongs to the one before."""
    parts: list[str] = []
    for part in [p for text in texts for p in text.split(",") if p.strip()]:
        if "=" in part:
            parts.append(part)
        elif parts:
            parts[-1] += f",{part}"
        else:
            raise UsageError(f"{part!r} is no gate", FORM)
    found = {}
    for part in parts:
        step, _, rule = part.partition("=")
        found[step.strip()] = parse_rule(rule)
    return found


def _passed(name: str, bound: float | None, facts: Json, below: bool) -> str:
    if bound is None or name not in facts:
        return ""
    value = facts[name]
    if value is None:
        return f"its {name} is not known"
    return f"{name} {value:.3g} is {'below' if below else 'above'} {bound:g}" if (value < bound if below else value > bound) else ""
