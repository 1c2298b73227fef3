"""Beginning a run of ALG 1: what it may spend and where it ends, looked at before anything is stored; and how much of it goes on at once. A part of the desk (core/desk.py)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from core.asked import within
from core.budgets import DesignBudget, Ends, narrowing, parse_design
from core.errors import UsageError
from core.gab.scales import get_scale
from core.gates import ASK, VERIFY, Rule, checked_rule, checked_step, needs_word
from core.jobs import Queue
from core.jobs.hands import call, run_of
from core.sharing import ends_of
from core.store import Store
from core.types import DESIGN_BUDGET, MONEY, TOKENS, Act, Decision, Job, JobKind, JobState, Json, Scale, Verb
from core.verification.probes.suites import Suite, get_suite
from core.verification.training.shelf import corpus_name

if TYPE_CHECKING:
    from core.agents.spec import AgentSpec
    from core.agents.versions import Versions
    from core.config import Config


class Beginning:
    """What it needs of the desk: store, queue, scales, config, author, crew, agents, run_settings, wake_run."""

    store: Store
    queue: Queue
    scales: dict[str, Scale]
    config: Config
    author: str

    if TYPE_CHECKING:
        @property
        def suites(self) -> Mapping[str, Suite]: ...
        def crew(self, agents: str, designer: str = "", reviewer: str = "") -> Json: ...
        def agents(self) -> Versions[AgentSpec]: ...
        def run_settings(self, run_id: str) -> Json: ...
        def wake_run(self, run_id: str) -> Job | None: ...

    def evolve(
        self, design_budget: int | str | DesignBudget, verify_budget: Mapping[str, int], seed: int = 0, gate: str = "auto",
        n_proposals: int = 2, n_implement: int = 1, corpus: str | None = None, selector: str = "bayes", instructions: str = "", agents: str = "",
        money: float | None = None, tokens: float | None = None, gates: Mapping[str, Rule] | None = None, ends: Ends | None = None, shares: Mapping[str, float] | None = None,
        at_once: Mapping[Act, int] | None = None,
    ) -> Job:
        """Run ALG 1 until its own budgets are spent, or it is at one of its `ends`: `design_budget` (sessions, money or tokens: "12", "$5", "200k tokens") for the team `agents`, and
        so many verifications a scale; a scale of `shares` is granted that part of what is verified at the one below. `money` (US dollars) and `tokens` limit the language models
        further. `gates`: step → rule; `gate` "ask" is short for {"implement": ask}. `at_once`: how many of each act, where there are workers for them."""
        limit = self._design_budget(design_budget, money, tokens)
        for scale, amount in verify_budget.items():
            if suite := get_scale(self.scales, scale).probes:
                get_suite(self.suites, suite)
            within(f"the verify budget of {scale}", amount, 0, 100_000)
        within("the number of proposals", n_proposals, 1, 64)
        within("the number to implement", n_implement, 0, n_proposals)
        if gate not in ("ask", "auto"):
            raise UsageError(f"gate {gate!r} is unknown", "use ask or auto")
        for act, most in (at_once or {}).items():
            within(f"how many of {act} go on at once", most, 1, 32)
        said = {checked_step(step, self.scales): checked_rule(step, rule) for step, rule in (gates or {}).items()}
        rules = said if VERIFY in said else {**self.first_gates(verify_budget), **said}
        crew = self.crew(agents)
        asks = self._asks(crew)
        if limit.sessions is None and not asks:
            raise UsageError(f"{limit.words} of a team that asks no language model never ends", "give the design budget in sessions, for instance 12")
        run_id = f"run-{secrets.token_hex(3)}"
        payload = {
            "run": run_id, "seed": seed, "gate": gate, "scales": list(verify_budget), "selector": selector, "instructions": self.store.database.hide(instructions), "agents": crew,
            "n_proposals": n_proposals, "n_implement": n_implement, "corpus": corpus_name(corpus, self.config), "line": run_id, "by": self.author, "asks": asks,
            "ends": self._checked_ends(ends or Ends()).to_dict(), "shares": self._checked_shares(shares or {}, verify_budget),
            "at_once": {str(act): most for act, most in (at_once or {}).items()}}
        with self.store.together():
            counted = {name: most for name, most in ((MONEY, limit.money), (TOKENS, limit.tokens), (DESIGN_BUDGET, limit.sessions)) if most is not None}
            for account, amount in {**counted, **verify_budget}.items():
                self.store.ledger.set(f"{run_id}/{account}", amount, self.author)
            for step, rule in rules.items():
                self.store.gates.switch(run_id, step, rule, self.author)
            return self.queue.put(JobKind.EVOLVE, run_id, payload, max_attempts=5)

    def _design_budget(self, asked: int | str | DesignBudget, money: float | None, tokens: float | None) -> DesignBudget:
        """One limit of each kind. Raises UsageError."""
        found = asked if isinstance(asked, DesignBudget) else parse_design(asked) if isinstance(asked, str) else DesignBudget(asked)
        for name, first, second in (("money", found.money, money), ("tokens", found.tokens, tokens)):
            if first is not None and second is not None:
                raise UsageError(f"the budget of {name} is given twice", "say it once")
        found = DesignBudget(found.sessions, money if found.money is None else found.money, tokens if found.tokens is None else found.tokens)
        within("the design budget", found.sessions or 0, 0, 100_000)
        for limit, most in (("the budget of money", found.money), ("the budget of tokens", found.tokens)):
            within(limit, most or 0, 0, 10**12)
        return found

    def _checked_ends(self, ends: Ends) -> Ends:
        if ends.scale:
            get_scale(self.scales, ends.scale)
        within("the gain to reach, in bits per byte,", ends.gain, 0, 10)
        within("how many verifications may bring nothing", ends.patience, 0, 100_000)
        return ends

    def _checked_shares(self, shares: Mapping[str, float], verify_budget: Mapping[str, int]) -> dict[str, float]:
        cheapest = next((name for name in self.scales if name in verify_budget), "")
        for scale, share in shares.items():
            within(f"the share of {scale}", share, 0, 10)
            if scale == cheapest:
                raise UsageError(f"{scale} is the run's cheapest scale, and cannot grow with a cheaper one", f"give it a number, for instance {scale}=8")
        return dict(shares)

    def set_ends(self, run_id: str, ends: Ends) -> Decision:
        """Where the run ends though there is budget left, from now on; one that had ended so goes on, where it may."""
        self.run_settings(run_id)
        checked = self._checked_ends(ends)
        with self.store.together():
            said = self.store.decisions.add(Verb.CHOOSE, self.author, session_id=run_id, data={"run": run_id, "act": "end", **checked.to_dict()})
            self.wake_run(run_id)
        return said

    def ends(self, run_id: str) -> Ends:
        return ends_of(self.store, run_id, Ends.from_dict(self.run_settings(run_id).get("ends", {})))

    def first_gates(self, scales: Iterable[str]) -> dict[str, Rule]:
        """The rules that hold where a person says nothing else: before the largest scales they are asked."""
        return {f"{VERIFY}:{name}": ASK for name in scales if needs_word(self.scales[name])}

    def suggested(self, sessions: int, n_implement: int, scales: Sequence[str]) -> dict[str, int]:
        """Verifications a scale that fit so many designs: a ladder that narrows upward."""
        return narrowing(sessions * n_implement, [name for name in self.scales if name in scales])

    def at_once(self, settings: Json) -> dict[Act, int]:
        """How many of each act go on at once, where there are so many workers. By itself: one session of the built-in team, which takes the processor, or two of a team that waits
        for language models; one training, since workers of one machine may share its device."""
        said = settings.get("at_once", {})
        return {Act.DESIGN: said.get("design") or (2 if settings.get("asks") else 1), Act.VERIFY: said.get("verify") or 1}

    def _asks(self, crew: Json) -> bool:
        """Whether any agent of the team asks a language model."""
        specs = self.agents()
        return any(specs[name].engine == "model" for name in (crew["designer"], crew["reviewer"], *crew["team"].values()) if isinstance(name, str) and name in specs)

    def lend_hand(self) -> None:
        """For a worker with nothing to do: have it look at a run where a place is free."""
        live: dict[str, list[Job]] = {}
        for job in self.queue.all(limit=1000, states=(JobState.QUEUED, JobState.RUNNING)):
            if job.kind is JobKind.EVOLVE:
                live.setdefault(run_of(job.subject), []).append(job)
        for run_id, jobs in live.items():
            if any(job.state is JobState.RUNNING for job in jobs):
                settings = self.run_settings(run_id)
                if len(jobs) < sum(self.at_once(settings).values()):
                    call(self.queue, run_id, settings)
