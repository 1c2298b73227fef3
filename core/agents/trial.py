"""Every prompt of an agent, rendered over a real brief by the program that renders it in a session; nobody is asked, and nothing is written.

A name that the agent's program does not give is told with its file and line, also where it stands in a branch that this brief does not take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, meta

from core.agents.base import Back, Brief, Guidance, Sibling, Task
from core.agents.coder import ModelCoder
from core.agents.compose import ComposeCoder
from core.agents.designer import ModelDesigner
from core.agents.dialog import Dialog
from core.agents.genetic import GeneticDesigner
from core.agents.librarian import Librarian
from core.agents.observer import Observer
from core.agents.ranker import ModelRanker
from core.agents.reviewer import ModelReviewer, said
from core.agents.rules import RuleReviewer
from core.agents.speaker import Setting
from core.agents.spec import AgentSpec, line_in_template
from core.errors import ConfigError, LanguageModelError
from core.gab.units import UnitLibrary
from core.llm.base import Answer, Finish, Request, Tool, Usage
from core.types import CheckReport, CheckResult, Json, NewUnit, Proposal, Review, UnitTree

ID = "trial-1"
WORDS = "words that stand for an answer"
UNIT = NewUnit("trial_mean", "mixer", "Y_t = the mean of X_s over s <= t.")


@dataclass(frozen=True)
class Tried:
    rendered: Mapping[str, str]      # step → text, as the first time
    untried: tuple[str, ...]         # steps that the trial did not come by; their syntax was read all the same


@dataclass(frozen=True)
class _Watched(AgentSpec):
    seen: dict[str, str] = field(default_factory=dict)

    def render(self, step: str, **values: Any) -> str:
        self._refuse_unknown(step, values)
        try:
            text = super().render(step, **values)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # what an expression of the template did
            raise ConfigError(f"{self.prompts / step}.md:{line_in_template(error)}: {type(error).__name__}: {error}", "mend the expression") from error
        self.seen.setdefault(step, text)
        return text

    def _refuse_unknown(self, step: str, values: Mapping[str, Any]) -> None:
        path = self.prompts / f"{step}.md"
        if not path.is_file():
            raise ConfigError(f"{self.name} lacks the prompt {path}", "add the file, or go back to the shipped agent")
        text, environment = path.read_text(encoding="utf-8"), Environment()
        unknown = sorted(meta.find_undeclared_variables(environment.parse(text)) - set(values) - set(environment.globals))
        if unknown:
            line = next((n for n, row in enumerate(text.splitlines(), 1) if re.search(rf"(?<![\w.]){unknown[0]}\b", row)), 1)
            raise ConfigError(f"{path}:{line}: {unknown[0]!r} is not defined", f"this prompt is given {', '.join(sorted(values))}")


class _Nobody:
    """Stands where models are asked: JSON of the schema that says nothing, or no code."""

    def ask(self, models: str | Sequence[str], request: Request, **_: Any) -> Answer:
        import json

        return Answer(json.dumps(_sample(request.schema.schema)) if request.schema else WORDS, Finish.STOP, Usage(), "nobody")

    def money(self, key: str) -> float | None:
        return 0.0


class _NoTools:
    def offered(self, names: Sequence[str]) -> tuple[Tool, ...]:
        return ()

    def run(self, name: str, arguments: str) -> str:
        return "no tools in a trial"


def trial(spec: AgentSpec, brief: Brief, library: UnitLibrary, coder: AgentSpec | None = None) -> Tried:
    """Raises ConfigError for a template that cannot be rendered, or an engine that its role does not have. `coder`: whose units a debugger mends."""
    watched = _Watched(**{**vars(spec), "limits": {**spec.limits, "repairs": 0}})
    rehearse = REHEARSALS.get((spec.role, spec.engine))
    if rehearse is None:
        known = [engine for role, engine in REHEARSALS if role == spec.role]
        raise ConfigError(f"{spec.name}.yaml: a {spec.role} has no engine {spec.engine!r}", f"use {' or '.join(known) or 'another role'}")
    try:
        with suppress(LanguageModelError):  # what nobody said was no usable answer
            rehearse(watched, _filled(brief), library, coder or spec)
    except (KeyError, TypeError, ValueError) as error:  # its program could not use the settings
        raise ConfigError(f"{spec.name}.yaml: settings: {type(error).__name__}: {error}", "compare them with the shipped agent's") from error
    return Tried(watched.seen, tuple(step for step in spec.steps if step not in watched.seen))


# ------------------------------------------------------------------------------------------------ what is acted out


def _designing(spec: AgentSpec, brief: Brief, library: UnitLibrary, _: AgentSpec) -> None:
    designer = ModelDesigner(spec, library, _setting())
    for act in (lambda: designer.propose(brief, _dialog(), ID), lambda: designer.revise(_proposal(brief), _review(), brief, _dialog(), 1, Back(1, "you", "Make it causal."))):
        with suppress(LanguageModelError):
            act()


def _reviewing(spec: AgentSpec, brief: Brief, library: UnitLibrary, _: AgentSpec) -> None:
    ModelReviewer(spec, library, _setting()).review(_proposal(brief), brief, _dialog())


def _coding(spec: AgentSpec, brief: Brief, library: UnitLibrary, _: AgentSpec) -> None:
    ModelCoder(_once_more(spec), library, _setting()).implement(_task(brief), _dialog())


def _debugging(spec: AgentSpec, brief: Brief, library: UnitLibrary, coder: AgentSpec) -> None:
    ModelCoder(_once_more(coder), library, _setting(), debugger=spec).implement(_task(brief), _dialog())


def _observing(spec: AgentSpec, brief: Brief, library: UnitLibrary, _: AgentSpec) -> None:
    Observer(spec, _setting()).remarks(_task(brief), "class GAB: ...", [UNIT.name])


def _ranking(spec: AgentSpec, brief: Brief, library: UnitLibrary, _: AgentSpec) -> None:
    proposals = [_proposal(brief), replace(_proposal(brief), design_id="trial-2")]
    ModelRanker(spec, _setting()).rank(proposals, {p.design_id: _review() for p in proposals}, brief, "trial")


def _drawing(spec: AgentSpec, brief: Brief, library: UnitLibrary, _: AgentSpec) -> None:
    designer = GeneticDesigner(spec, library)
    designer.propose(brief, _dialog(), ID)
    designer.revise(replace(_proposal(brief), units=brief.parents[0].units, new_units=()), _review(), brief, _dialog(), 1, Back(1, "you", "No attention."))


def _ruling(spec: AgentSpec, brief: Brief, library: UnitLibrary, _: AgentSpec) -> None:
    RuleReviewer(spec, library).review(replace(_proposal(brief), units=brief.parents[0].units, new_units=()), brief, _dialog())


def _composing(spec: AgentSpec, brief: Brief, library: UnitLibrary, _: AgentSpec) -> None:
    whole = replace(_proposal(brief), units=brief.parents[0].units, new_units=())
    ComposeCoder(spec, library).implement(replace(_task(brief), proposal=whole), _dialog())


def _searching(spec: AgentSpec, brief: Brief, library: UnitLibrary, _: AgentSpec) -> None:
    Librarian(spec, _setting()).notes(brief)


REHEARSALS: Mapping[tuple[str, str], Callable[[Any, Brief, UnitLibrary, AgentSpec], None]] = {
    ("designer", "model"): _designing, ("designer", "genetic"): _drawing, ("reviewer", "model"): _reviewing, ("reviewer", "rules"): _ruling,
    ("coder", "model"): _coding, ("coder", "compose"): _composing, ("debugger", "model"): _debugging, ("observer", "model"): _observing,
    ("ranker", "model"): _ranking, ("librarian", "model"): _searching}


# ------------------------------------------------------------------------------------------------ properties


def _dialog() -> Dialog:
    return Dialog(lambda kind, author, data: None)


def _setting() -> Setting:
    return Setting(_Nobody(), _dialog(), "trial", _NoTools(), lambda: None, lambda: None, lambda *_: None, lambda role: ())


def _once_more(spec: AgentSpec) -> AgentSpec:
    """With an attempt each for writing, mending and mending again."""
    return replace(spec, settings={**spec.settings, "attempts": 3})


def _filled(brief: Brief) -> Brief:
    """With something of everything that a prompt may show."""
    parent = replace(brief.parents[0], reviews=("A review of it.",), said=("you refuse: a reason",))
    return replace(brief, parents=(parent, *brief.parents[1:]), instructions=brief.instructions or "keep it small",
                   guidance=brief.guidance or (Guidance(1, "rule", "", "no dropout"), Guidance(2, "refused", parent.id, "too dear")),
                   siblings=brief.siblings or (Sibling("trial-0", "Another", "Something else.", "refused"),),
                   past=(said(parent.id, {"summary": WORDS, "why": {str(n): WORDS for n in range(5)}, "points": [WORDS]}),))


def _proposal(brief: Brief) -> Proposal:
    tree = brief.parents[0].units
    slot = "mixer" if "mixer" in tree.children else next(iter(tree.children), "")
    units = UnitTree(tree.unit, tree.config, {**tree.children, slot: UnitTree(UNIT.name, {}, {})}) if slot else UnitTree(UNIT.name, {}, {})
    return Proposal(0, ID, 1, "designer", False, "A running mean", "#### Motivation\n\nAverages need no keys.", units, datetime.now(UTC), (UNIT,))


def _review() -> Review:
    return Review(0, 0, ID, "reviewer", 3.0, {"novelty": 3.0}, "Sound, and close to pooling.", datetime.now(UTC), {"points": ["Close to pooling."], "forecast": 0.2, "nearest": []})


def _task(brief: Brief) -> Task:
    return Task(_proposal(brief), brief, lambda code: CheckReport(False, brief.scale, (CheckResult("build", "fail", "it does not build", 0.0),)), {}, 0)


def _sample(schema: Json) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _sample(schema["anyOf"][0])
    kinds: Mapping[str, Callable[[], Any]] = {
        "object": lambda: {name: _sample(part) for name, part in schema.get("properties", {}).items()}, "array": list, "string": lambda: WORDS,
        "number": lambda: 0, "integer": lambda: 0, "boolean": lambda: False}
    return kinds[schema["type"]]()
