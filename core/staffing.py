"""Agents and teams as a person deals with them: which can be asked, what they cost, how they are edited, tried and put back. A part of the desk (core/desk.py)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.agents.base import Brief
from core.agents.editing import remove_spec, remove_team, write_spec, write_team
from core.agents.spec import AgentSpec, TeamSpec, get_spec, get_team, load_specs, may_ask
from core.agents.trial import Tried, trial
from core.agents.versions import Versions
from core.briefing import Briefing
from core.config import KEYS
from core.convening import Team
from core.errors import ConfigError, ModelDiscoveryError, UsageError
from core.llm.catalogue import Catalogue, Entry, load_catalogue
from core.llm.price import PriceTable, known_prices
from core.store.specs import SpecRevision
from core.toolbox import NAMES
from core.types import Json, Mode, Session, Spent

if TYPE_CHECKING:
    from core.config import Config
    from core.gab.units import UnitLibrary
    from core.store import Store
    from core.types import Scale

DEFAULT, BUILTIN_TEAM = "default", "builtin"
LAST = 5             # sessions from which an average is taken
TRIED_WITH = ("gpt2", "mamba2")


@dataclass(frozen=True)
class Reach:
    """Which models an agent would ask, in order."""

    models: tuple[str, ...]          # provider:model, those that can be asked
    lacking: str = ""                # why none can be, and what mends it

    @property
    def ok(self) -> bool:
        return not self.lacking


@dataclass(frozen=True)
class Provider:
    """A provider as the Agents page lists it."""

    name: str
    label: str
    at: str
    key: str                         # which variable has it, or which one is missing
    usable: bool
    tiers: Mapping[str, str]
    prices: Mapping[str, str]        # tier → dollars per million tokens, in words


class Staffing:
    """What it needs of the desk: store, config, units, scales, author, agents, teams, noise."""

    store: Store
    config: Config
    units: UnitLibrary
    scales: dict[str, Scale]
    author: str

    if TYPE_CHECKING:
        def agents(self) -> Versions[AgentSpec]: ...
        def teams(self) -> Versions[TeamSpec]: ...
        def noise(self, scale: str) -> Any: ...

    # ------------------------------------------------------------------------------------------ who can be asked

    @cached_property
    def catalogue(self) -> Catalogue:
        return load_catalogue(self.config.providers_file)

    @property
    def prices(self) -> PriceTable:
        """As their file has them now."""
        return known_prices(self.config.prices_file)

    def reach(self, spec: AgentSpec) -> Reach:
        """As far as keys decide; a program asks nobody."""
        if spec.engine != "model":
            return Reach(())
        try:
            names = self.catalogue.resolve(spec.models, self.config.keys)
            known = [(name, self.catalogue.split(name)[0]) for name in names]
        except ModelDiscoveryError as error:
            return Reach((), str(error))
        asked = tuple(name for name, entry in known if not entry.key or entry.key in self.config.keys)
        entry = known[0][1]
        return Reach(asked, "" if asked else f"{entry.label} needs a key: set {' or '.join(KEYS.get(entry.key, (entry.key,)))}")

    def team_reach(self, name: str) -> dict[str, Reach]:
        """By role, first the members that cannot be read or are no agents of their role, which no key would mend. Of a team that cannot be read, that is all there is to say."""
        specs = self.agents()
        try:
            members = get_team(self.teams(), name).members
        except ConfigError as error:
            return {"team": Reach((), str(error))}
        broken, reached = {}, {}
        for role, member in members.items():
            try:
                reached[role] = self.reach(get_spec(specs, member, role))
            except ModelDiscoveryError as error:
                broken[role] = Reach((), str(error))
        return {**broken, **reached}

    def default_team(self) -> str:
        """Language models where one can be asked, else the built-in programs."""
        if DEFAULT in self.teams() and self.catalogue.with_key(self.config.keys) and all(reach.ok for reach in self.team_reach(DEFAULT).values()):
            return DEFAULT
        return BUILTIN_TEAM

    def crew(self, agents: str, designer: str = "", reviewer: str = "") -> Json:
        """{"designer", "reviewer", "team"} as a session keeps them. Raises UsageError for a team or an agent that is not there, ConfigError for one that cannot be read."""
        team = get_team(self.teams(), agents or BUILTIN_TEAM)
        members = {**team.members, **{role: name for role, name in (("designer", designer), ("reviewer", reviewer)) if name}}
        specs = self.agents()
        for role, name in members.items():
            get_spec(specs, name, role)
        others = {role: name for role, name in members.items() if role not in ("designer", "reviewer")}
        return {"designer": members["designer"], "reviewer": members["reviewer"], "team": {"name": team.name, **others, "rounds": team.rounds, "accept": team.accept}}

    def providers(self) -> list[Provider]:
        prices = self.prices
        return [Provider(e.name, e.label, e.at, self._key(e), bool(e.key and e.key in self.config.keys) or (not e.key and bool(e.base_url)), dict(e.tiers),
                         {tier: _price(prices, e, model) for tier, model in e.tiers.items()}) for e in self.catalogue.entries.values() if e.wire != "replay"]

    # ------------------------------------------------------------------------------------------ what they cost

    def spent(self, session_id: str) -> Spent:
        """On language models, by a session's agents; code written from a design's page is that design's."""
        return self.store.calls.spent(stream=f"session:{session_id}")

    def asks_models(self, session: Session) -> bool:
        """Whether any agent of the session's team asks a language model, or cannot be read and may."""
        specs = self.agents()
        names = (session.designer, session.reviewer, *(v for k, v in session.team.items() if k not in ("name", "rounds", "accept", "replay")))
        return any(may_ask(specs, name) for name in names)

    def average(self, team: str) -> tuple[int, Spent] | None:
        """(of how many, the sum) over the team's last closed sessions; None where there is none yet."""
        closed = [s for s in self.store.sessions.all(limit=200) if s.closed_at and s.team.get("name", BUILTIN_TEAM) == team][:LAST]
        sums = [self.spent(s.id) for s in closed]
        return (len(sums), sum_of(sums)) if sums else None

    # ------------------------------------------------------------------------------------------ editing

    def is_own(self, name: str) -> bool:
        """Whether a person's version lies over the shipped agent."""
        return (self.config.own_specs_dir / f"{name}.yaml").is_file()

    def shipped(self, name: str) -> bool:
        return (self.config.specs_dir / f"{name}.yaml").is_file()

    def save_agent(self, name: str, files: Mapping[str, str]) -> AgentSpec:
        """Make this the agent from now on; what runs goes on with what it began with. It is read and tried first, and nothing changes where that fails."""
        if files.keys() and name in (known := self.agents()) and files == known[name].files():
            raise UsageError(f"nothing of {name} was changed", "edit it first")
        if self.shipped(name) and files == load_specs(self.config.specs_dir)[name].files():
            remove_spec(self.config.own_specs_dir, name)
            return self.agents()[name]
        if found := next((path for path, text in files.items() if self.store.database.hide(text) != text), ""):
            raise UsageError(f"there is a key in {found}: it would be stored, and told to whoever is asked", "take it out, and keep it in an environment variable or its file")
        spec = write_spec(self.config.own_specs_dir, name, files, self._accept)
        self._keep_shipped(name)
        self.store.specs.keep(spec.revision, spec.name, spec.files(), self.author)
        return spec

    def copy_agent(self, name: str, new: str, files: Mapping[str, str]) -> AgentSpec:
        """`files` of `name` as an agent of another name, for a team to choose."""
        if new in self.agents().names:
            raise UsageError(f"there is an agent {new} already", "choose another name")
        renamed = {path.replace(f"{name}.yaml", f"{new}.yaml").replace(f"prompts/{name}/", f"prompts/{new}/"):
                   re.sub(r"(?m)^name:.*$", f"name: {new}", text, count=1) if path.endswith(".yaml") else text for path, text in files.items()}
        return self.save_agent(new, renamed)

    def save_team(self, name: str, about: str, members: Mapping[str, str], rounds: int = 1, accept: float = 3.0) -> TeamSpec:
        """A person's team, or their version of a shipped one."""
        specs = self.agents()
        for role, member in members.items():
            get_spec(specs, member, role)
        return write_team(self.config.own_specs_dir, name, {"about": about, "members": dict(members), "rounds": rounds, "accept": accept})

    def is_own_team(self, name: str) -> bool:
        return (self.config.own_specs_dir / "teams" / f"{name}.yaml").is_file()

    def drop_team(self, name: str) -> None:
        """A person's team goes; a shipped one of that name counts again. Sessions keep the members that they began with."""
        if not self.is_own_team(name):
            raise UsageError(f"team {name} is none of yours", "there is nothing to take away")
        remove_team(self.config.own_specs_dir, name)

    def drop_agent(self, name: str) -> None:
        """Back to the shipped one; what was written stays among the revisions."""
        if not self.is_own(name):
            raise UsageError(f"{name} is as it was shipped", "there is nothing to take back")
        using = [team.name for team in self.teams().values() if name in team.members.values()]
        if using and not self.shipped(name):
            raise UsageError(f"team {using[0]} has {name} among its members", "change the team first")
        remove_spec(self.config.own_specs_dir, name)

    def restore_agent(self, name: str, revision: str) -> AgentSpec:
        """An earlier revision, as a person's version."""
        kept = self.store.specs.get(revision)
        if kept.name != name:
            raise UsageError(f"revision {revision} is of {kept.name}", f"see: python -m core agents show {name}")
        return self.save_agent(name, kept.files)

    def revisions(self, name: str) -> list[SpecRevision]:
        """That were used or saved, newest first."""
        return self.store.specs.of(name)

    def try_agent(self, spec: AgentSpec) -> Tried:
        """Every prompt over a real brief from the tree. Raises ConfigError naming file and line."""
        coder = next((s for s in load_specs(self.config.specs_dir).values() if (s.role, s.engine) == ("coder", "model")), None)
        return trial(spec, self.trial_brief(), self.units, coder)

    def trial_brief(self) -> Brief:
        """What a designer would be told now about a crossover of two references."""
        known = [r for r in TRIED_WITH if self.store.proposals.newest(r)] or [p.design_id for p in self.store.proposals.all_newest() if p.units][:2]
        if not known:
            raise ConfigError("the tree has no designs to try a prompt with", "python -m core init")
        now = datetime.now(UTC)
        session = Session("trial", Mode.CROSSOVER, tuple(known), 1, 1, "", 0, "ask", next(iter(self.scales)), self.author, "", "", None, now, None)
        return _Briefs(self.store, self.scales, self.units, lambda scale: self.noise(scale).paired.sd).brief(session, 0, "trial-1")

    # ------------------------------------------------------------------------------------------ inside

    def _keep_shipped(self, name: str) -> None:
        """Among the revisions, so that it can be compared and restored."""
        if self.shipped(name):
            spec = load_specs(self.config.specs_dir)[name]
            self.store.specs.keep(spec.revision, spec.name, spec.files(), "")

    def _accept(self, spec: AgentSpec) -> None:
        where = f"{spec.name}.yaml"
        for name in (*spec.models, *spec.settings.get("stuck", {}).get("models", ())):
            if name.startswith("tier:"):
                tiers = {tier for e in self.catalogue.entries.values() for tier in e.tiers}
                if name.partition(":")[2] not in tiers:
                    raise ConfigError(f"{where}: model: tier {name.partition(':')[2]!r} is unknown", f"use {', '.join(sorted(tiers))}, or give a name: 'provider:model'")
            else:
                try:
                    self.catalogue.split(name)
                except UsageError as error:
                    raise ConfigError(f"{where}: model: {error.what}", error.mend) from None
        unknown = [name for name in spec.settings.get("examples", ()) if name not in self.units.names()]
        if unknown:
            raise ConfigError(f"{where}: settings: examples: there is no unit {unknown[0]!r}", f"use {', '.join(sorted(self.units.names()))}")
        for tool in spec.tools:
            if tool not in NAMES:
                raise ConfigError(f"{where}: tools: there is no {tool!r}", f"use {', '.join(NAMES)}")
        self.try_agent(spec)

    def _key(self, entry: Entry) -> str:
        if not entry.key:
            return "needs none"
        return f"in {self.config.key_variables[entry.key]}" if entry.key in self.config.keys else f"missing: {' or '.join(KEYS.get(entry.key, (entry.key,)))}"


def _price(prices: PriceTable, entry: Entry, model: str) -> str:
    price = prices.of(f"{entry.name}:{model}")
    return "free" if entry.free else f"${price.input:g} in, ${price.output:g} out" if price else "unknown"


class _Briefs(Briefing):
    """The lab's briefs, without a lab."""

    def __init__(self, store: Store, scales: dict[str, Scale], units: UnitLibrary, noise: Any) -> None:
        self.store, self.scales = store, scales
        self.team = Team(**{member.name: _nobody for member in fields(Team)} | {"noise": noise, "library": units})


def _nobody(*_: Any) -> Any:
    raise NotImplementedError("a brief asks no agents")


def sum_of(parts: list[Spent]) -> Spent:
    totals = {name: sum(getattr(p, name) for p in parts) for name in ("tries", "answers", "input", "output", "cached", "money", "unpriced")}
    return Spent(**totals)
