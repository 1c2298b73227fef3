"""`bayes`: a selector that learns from every verification where to look next.

A Gaussian process over (design, scale) (core/selection/surrogate.py, belief.py) tells for each design what its score at the run's largest scale would be, and how sure that is.

    parents   Thompson sampling: one draw of the posterior over the most hopeful designs, plus a bonus for being unlike others and having few children; the best is the parent.
              For a crossover the second comes from a second draw, plus a bonus for being unlike the first: in its units, and in what is believed of it.
    choose    the knowledge gradient at the target scale per cost, over all steps that the climb allows (core/selection/climb.py): which measurement is expected to lower the
              best posterior mean most for what it costs. A step up is worth what the target scale would tell of the design, for that is what it leads to.
              Verifications under way count as if their result were what is expected of them, so that many workers do not choose alike.
    next_act  new designs are measured first; then what is due of each rung (budgets are spent at one pace), where a verification is worth a tenth of
              a child of the best parents, measured once at the cheapest rung; then a known architecture that would be a parent and was never measured; else a design session

On small rungs the gates against the reference that other selectors climb by are no gates here: scores cross between rungs, and what a low rung says of a high one, and how surely, is in
the belief. From GATED parameters on, where a climb costs hours, they hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np

from core.selection.acquisition import expected_improvement, knowledge_gradient
from core.selection.base import Parts, Rung, ladder
from core.selection.belief import Belief
from core.selection.climb import Climb, Need, Step
from core.selection.likeness import Likeness
from core.selection.novelty import novelty, unlike
from core.selection.opinions import FORETOLD
from core.selection.reading import best_measured, is_new, runnable, running, seeds, stream
from core.selection.simple import EXPLAINED, MODES, WANTED, WORDS, designing_pays, mode_words, nothing_left
from core.selection.surrogate import Places, sharpened
from core.types import DESIGN_BUDGET, Act, Candidate, Explanation, Gates, Mode, Parents

# Judgements; how rungs are paced, SCREENS, NOVELTY, UNLIKE and EAGER were chosen by replays of both tables of benchmarks/tabular (seeds below 100, which are therefore not held out):
SCREENS = 1          # of the lowest rungs, left after one seed where they are smaller than SCREENED
SCREENED = 5e6       # parameters: below the 14M of the ladder that ships
GATED = 3e7          # parameters: from the 70M on, a design that the reference beats, or whose lead fades with size, goes no further
HOPE = 2.0           # standard deviations below the mean that a design is hoped to be
POOL = 300           # the most hopeful designs, over which is drawn
MOVED = 200          # designs whose means a measurement may move
STEPS = 400          # candidates of the knowledge gradient
NOVELTY = 0.05       # of the spread: the bonus of a design with nothing like it and no child
UNLIKE = 0.25        # of the spread: the bonus of a second parent with nothing in common with the first
CHILD = 0.8          # how alike a child is to its parent by structure and text, before it exists
EAGER = 0.1          # a verification that is worth so much of a design session goes first: what it tells, the session can use
UPWARDS = (Need.FIRST, Need.CONFIRM, Need.CLIMB)
DRAWS = 256          # of Thompson's, for the shares that are told


@dataclass(frozen=True)
class Worth:
    step: Step
    gain: float                      # bits per byte that the best expected score falls by
    value: float                     # gain per cost
    due: bool = True                 # its rung may be spent by now


class BayesSelector:
    sees_all = True      # what was measured of a design still counts where the design itself is out of play

    def __init__(self, seed: int, scales: Sequence[str], rungs: Mapping[str, Rung] | None = None, parts: Parts | None = None) -> None:
        self.seed = seed
        self.scales = list(scales)
        self.rungs = ladder(scales, rungs)
        self.parts = parts or Parts()
        small = [s for s in self.scales[:SCREENS] if self.rungs[s].size < SCREENED]
        self.climb = Climb(self.scales, self.rungs, screens=len(small), free_below=GATED)
        self._likeness = Likeness()
        self._known: tuple[tuple, Belief] | None = None
        self._judged: tuple[tuple, list[Worth]] | None = None

    # ------------------------------------------------------------------------------------------ the protocol

    def next_act(self, tree: nx.DiGraph, budgets: Mapping[str, float], gates: Gates) -> Act | None:
        worth = self._worth(tree, budgets)
        if not designing_pays(budgets):
            return Act.VERIFY if worth else None
        return Act.VERIFY if self._before_designing(tree, worth, budgets) else Act.DESIGN

    def parents(self, tree: nx.DiGraph) -> Parents:
        return self._drawn(tree)[0]

    def choose(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> tuple[str, str]:
        worth = self._worth(tree, budgets)
        if not worth:
            raise nothing_left()
        first = (designing_pays(budgets) and self._before_designing(tree, worth, budgets)) or worth[0]
        return first.step.design.id, first.step.scale

    def learn(self, tree: nx.DiGraph) -> None:
        """Refit the hyperparameters and what follows from them; `next_act` would do it too."""
        if len(self._belief(tree).points):
            self._belief(tree).screen(list(tree))

    def best(self, tree: nx.DiGraph) -> str | None:
        """The lowest expected score at the target scale among new designs that were measured there, or on the highest rung that any was."""
        belief = self._belief(tree)
        for scale in reversed(self.scales):
            pool = [n for n in belief.scores[scale] if is_new(tree.nodes[n]["design"])]
            if pool:
                mean, _ = belief.screen(pool)
                return pool[int(mean.argmin())]
        return best_measured(tree, self.scales)

    # ------------------------------------------------------------------------------------------ parents

    def _drawn(self, tree: nx.DiGraph) -> tuple[Parents, dict[str, float]]:
        """(the parents, everyone's share of the first place)"""
        draw = stream(self.seed, "parents", tree)
        rng = np.random.default_rng(draw.getrandbits(63))
        mode = draw.choices(list(MODES), list(MODES.values()))[0]
        belief = self._belief(tree)
        pool = self._pool(tree)
        if len(pool) < max(1, WANTED[mode]):
            return Parents(Mode.SCRATCH, ()), {}
        nodes = self._hopeful(belief, pool)
        mean, cov = belief.joint(belief.at_target(nodes))
        root = _root(cov)
        bonus = novelty(tree, belief, nodes) * NOVELTY * belief.spread if self.parts.novelty else np.zeros(len(nodes))
        drawn = (bonus - mean)[:, None] - root @ rng.standard_normal((len(nodes), DRAWS))
        wins = np.bincount(drawn.argmax(0), minlength=len(nodes)) / DRAWS
        shares = dict(zip(nodes, wins.tolist(), strict=True))
        one = int(np.argmax(drawn[:, 0]))
        if mode is Mode.SCRATCH:
            return Parents(mode, ()), shares
        if mode is Mode.MUTATION:
            return Parents(mode, (nodes[one],)), shares
        value = drawn[:, 1] + UNLIKE * belief.spread * unlike(belief, nodes, one, cov)
        value[one] = -np.inf
        return Parents(mode, (nodes[one], nodes[int(np.argmax(value))])), shares

    def _pool(self, tree: nx.DiGraph) -> list[str]:
        closed = tree.graph.get("closed", ())
        return [d.id for d in runnable(tree) if d.id not in closed]

    def _hopeful(self, belief: Belief, pool: list[str], most: int = POOL) -> list[str]:
        if len(pool) <= most:
            return pool
        mean, sd = belief.screen(pool)
        return [pool[i] for i in np.argsort(mean - HOPE * sd, kind="stable")[:most]]

    # ------------------------------------------------------------------------------------------ verifications

    def _before_designing(self, tree: nx.DiGraph, worth: Sequence[Worth], budgets: Mapping[str, float]) -> Worth | None:
        """What is to be verified before the next design session."""
        if worth and worth[0].due and (worth[0].step.need in (Need.REFERENCE, Need.FIRST) or worth[0].value >= EAGER * self._child(tree)):
            return worth[0]
        cheapest = self.scales[0]
        if budgets.get(cheapest, 0) <= budgets[DESIGN_BUDGET] + self.climb.held_back(tree, budgets, cheapest):     # every design to come is measured
            return None
        unknown = {w.step.design.id: w for w in worth if w.step.need is Need.KNOWN and w.step.scale == cheapest and not seeds(tree, w.step.design.id, cheapest)}
        return next((unknown[n] for n in self.parents(tree).ids if n in unknown), None) if unknown else None

    def _worth(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> list[Worth]:
        """Every step that can be paid for, the one that is worth most first; known architectures behind new designs."""
        key = (self._key(tree), tuple(sorted(budgets.items())))
        if self._judged is None or self._judged[0] != key:
            self._judged = key, self._judge(tree, budgets)
        return self._judged[1]

    def _judge(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> list[Worth]:
        closed = set(tree.graph.get("closed", ()))
        steps = [s for s in self.climb.steps(tree, budgets, again=True) if s.design.id not in closed or s.need is Need.REFERENCE]
        if any(s.need is Need.REFERENCE for s in steps):     # a score says nothing without it
            return [Worth(s, np.inf, np.inf) for s in steps if s.need is Need.REFERENCE] + [Worth(s, 0.0, 0.0) for s in steps if s.need is not Need.REFERENCE]
        belief = self._belief(tree)
        if not steps or not len(belief.points):
            return [Worth(s, 0.0, 0.0, s.need is not Need.KNOWN) for s in sorted(steps, key=lambda s: (s.need is Need.KNOWN, s.design.created_at, s.design.id))]
        gains = self._gains(tree, belief, steps)
        due = self._due(tree, budgets)
        found = [Worth(s, g, g / (self.rungs[s.scale].cost / self.rungs[self.scales[0]].cost) if self.parts.cost else g, s.need is Need.FIRST or (self._leads_to(tree, s) in due and self._useful(tree, s, budgets)))
                 for s, g in zip(steps, gains, strict=True)]
        screening = designing_pays(budgets) and any(s.need is Need.FIRST for s in steps)
        return sorted(found, key=lambda w: (not w.due, screening and w.step.need is not Need.FIRST, w.step.need is Need.KNOWN and not w.due, -w.value,
                                            self.scales.index(w.step.scale), w.step.design.created_at, w.step.design.id))

    def _leads_to(self, tree: nx.DiGraph, step: Step) -> str:
        """The rung whose units it helps to spend: of a further seed before a climb, the rung that is climbed to."""
        return self.climb.above(tree, step.design.id) if step.need is Need.CONFIRM else step.scale

    def _useful(self, tree: nx.DiGraph, step: Step, budgets: Mapping[str, float]) -> bool:
        """A known architecture is no find: its first score, at the cheapest rung, tells what parent it makes, and no more is asked of it."""
        return step.need is not Need.KNOWN or (designing_pays(budgets) and step.scale == self.scales[0] and not seeds(tree, step.design.id, step.scale))

    def _due(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> set[str]:
        """The rungs of which no larger share is spent than of the design sessions, as far as the tree tells: what is learned on the way makes better parents, and what is left
        meets better designs. At the cheapest rung each design to come keeps its unit, and each climb to come its further seed."""
        if not designing_pays(budgets):
            return set(self.scales)
        made = sum(is_new(d) for d in runnable(tree))
        share = made / (made + budgets[DESIGN_BUDGET])
        found = set()
        for s in self.scales:
            spent, left = sum(len(tree.nodes[n].get("seeds", {}).get(s, ())) for n in tree), budgets.get(s, 0.0)
            kept = budgets[DESIGN_BUDGET] + self.climb.held_back(tree, budgets, s) if s == self.scales[0] else 0.0
            if left > kept and spent - (made if kept else 0) <= share * (spent + left - (made + kept if kept else 0)):
                found.add(s)
        return found

    def _gains(self, tree: nx.DiGraph, belief: Belief, steps: Sequence[Step]) -> np.ndarray:
        """The knowledge gradient of each step, of a step up that of its target; 0 for the least hopeful where there are more than STEPS."""
        gains = np.zeros(len(steps))
        asked = np.arange(len(steps))
        if len(steps) > STEPS:
            mean, sd = belief.screen([s.design.id for s in steps])
            asked = np.argsort(mean - HOPE * sd, kind="stable")[:STEPS]
        moved = self._hopeful(belief, [d.id for d in runnable(tree)], MOVED)
        under_way = [(n, i, k) for n in tree for i, s in enumerate(self.scales) if (k := running(tree, n, s))]
        at = [belief.target if steps[i].need in UPWARDS else self.scales.index(steps[i].scale) for i in asked]
        places = belief.at_target(moved) + Places.at(belief.rows([steps[i].design.id for i in asked]), np.array(at), True)
        places += Places.at(belief.rows([n for n, _, _ in under_way]), np.array([i for _, i, _ in under_way], int), True)
        mean, cov = belief.joint(places)
        n, m = len(moved), len(asked)
        if under_way:
            P = cov[:, n + m :]
            noise = np.array([belief.posterior.theta.v[i] / k for _, i, k in under_way])
            cov = cov - P @ np.linalg.solve(P[n + m :] + np.diag(noise), P.T)
        shown = np.maximum(np.diag(cov)[n : n + m], 1e-12) + belief.posterior.theta.v[at]
        gains[asked] = knowledge_gradient(mean[:n], cov[n : n + m, :n] / np.sqrt(shown)[:, None])
        return gains

    def _child(self, tree: nx.DiGraph) -> float:
        """The value of one design more: a child of the best parent, measured once at the cheapest rung, per that cost."""
        belief = self._belief(tree)
        pool = self._pool(tree)
        if not len(belief.points) or not pool:
            return 0.0
        mean, sd = belief.screen(pool)
        theta, best = belief.posterior.theta, int(mean.argmin())
        alike = sum(w * float(sharpened(np.array(CHILD), length)) for w, length in zip(theta.w, theta.length, strict=False))
        own = alike**2 * sd[best] ** 2 + (1 - alike**2) * theta.sigma[belief.target] ** 2
        rung = np.exp(-abs(belief.space.log_sizes[0] - belief.space.log_sizes[-1]) / theta.reach)
        seen = own * (theta.sigma[0] / theta.sigma[belief.target]) ** 2
        tells = rung * np.sqrt(seen / (seen + theta.v[0]))
        return float(expected_improvement(alike * mean[best], np.sqrt(own) * tells, mean[best]))

    # ------------------------------------------------------------------------------------------ why

    def explain(self, tree: nx.DiGraph, what: Parents | tuple[str, str], budgets: Mapping[str, float]) -> Explanation:
        """Of parents: how often each would win the draw, and what is expected of it. Of a verification: what each step would tell for its cost."""
        return self._why_parents(tree, what) if isinstance(what, Parents) else self._why_verify(tree, what, budgets)

    def _why_parents(self, tree: nx.DiGraph, parents: Parents) -> Explanation:
        shares = self._drawn(tree)[1]
        belief = self._belief(tree)
        order = sorted(shares, key=lambda n: (-shares[n], n))
        told = tuple(Candidate(n, str(parents.mode), round(shares[n], 4), belief.words(n)) for i, n in enumerate(order) if i < EXPLAINED or n in parents.ids)
        mode = mode_words(parents.mode)
        if not parents.ids:
            return Explanation(f"{mode}: no parent is needed.", told)
        words = [f"{n} ({belief.words(n)})" for n in parents.ids if n in belief.likeness.index]
        second = "; the second is promising too, and unlike the first" if len(parents.ids) > 1 else ""
        return Explanation(f"{mode}; then {' and '.join(words)}: the best of one draw from what is believed of each{second}.{self._trust_words(belief)}", told)

    def _why_verify(self, tree: nx.DiGraph, what: tuple[str, str], budgets: Mapping[str, float]) -> Explanation:
        worth = self._worth(tree, budgets)
        belief = self._belief(tree)
        told = tuple(Candidate(w.step.design.id, w.step.scale, None, self._step_words(belief, w)) for w in worth[:EXPLAINED])
        first = next((self._step_words(belief, w) for w in worth if (w.step.design.id, w.step.scale) == what), "")
        others = f" {len(worth) - 1} other{'s' if len(worth) > 2 else ''} could be paid for." if len(worth) > 1 else ""
        return Explanation(f"{what[0]} at {what[1]}: {first}.{others}{self._trust_words(belief)}", told)

    def _step_words(self, belief: Belief, w: Worth) -> str:
        if w.step.need is Need.REFERENCE or not len(belief.points):
            return WORDS[w.step.need]
        cost = self.rungs[w.step.scale].cost / self.rungs[self.scales[0]].cost
        what = "what the largest scale would tell of it" if w.step.need in UPWARDS and w.step.scale != self.scales[-1] else "it"
        return f"{WORDS[w.step.need]}; {belief.words(w.step.design.id)}; {what} should lower the best by {w.gain:.5f}, and it costs as much as {cost:.3g} at {self.scales[0]}"

    def _trust_words(self, belief: Belief) -> str:
        told = ", ".join(f"{who if who.startswith(FORETOLD) else f'judgements of {who}'} {c:.2f}" for who, c in sorted(belief.trust.items()))
        return f" Weight given to opinions, by how they agreed with the results so far (0 is none): {told}." if told else ""

    # ------------------------------------------------------------------------------------------ inside

    def _belief(self, tree: nx.DiGraph) -> Belief:
        key = self._key(tree)
        if self._known is None or self._known[0] != key:
            self._likeness = self._likeness.grown(tree)
            self._known = key, Belief(tree, self.scales, self.rungs, self.parts, self._likeness, self._known and self._known[1])
        return self._known[1]

    def _key(self, tree: nx.DiGraph) -> tuple:
        """All of the tree that a choice depends on."""
        nodes = tuple((n, d["design"].status, tuple(d["design"].scores.items()), tuple((s, tuple(y)) for s, y in d.get("seeds", {}).items()), tuple(sorted(d.get("failed", ()))),
                       tuple(sorted(d.get("barred", ()))), len(d.get("tried", ())), tuple(sorted(d.get("running", {}).items()))) for n, d in tree.nodes(data=True))
        said = tuple(tuple(tree.graph.get(kind, ())) for kind in ("preferences", "verdicts", "forecasts"))
        return nodes, said, tuple(sorted(tree.graph.get("closed", ()))), tree.graph.get("sessions", 0)


def _root(cov: np.ndarray) -> np.ndarray:
    """A matrix whose square is the covariance, rounding errors put to zero."""
    values, vectors = np.linalg.eigh((cov + cov.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0.0))


