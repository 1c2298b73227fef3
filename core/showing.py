"""What the tree shows a selector beside its designs (core/selection/base.py): seeds, failures, what units and words a design is made of, what persons and forecasters said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable

import networkx as nx

from core.agents.similarity import COMMON, words
from core.calibration import REFERENCE
from core.gab.structure import features, resolved
from core.selection.preferences import spoken
from core.store import Store
from core.types import NewUnit, UnitTree, Verb, Verification

MOST = 400           # the newest decisions and forecasts that a selector is told


class Showing:
    """Facts and words are made once a revision of a proposal and kept; one of these for a lab."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._seen = 0               # the newest proposal that was read
        self._units: dict[str, frozenset[str]] = {}
        self._words: dict[str, frozenset[str]] = {}

    def show(self, graph: nx.DiGraph, counts: Callable[[Verification], bool], barred: Iterable[tuple[str, str]]) -> None:
        """Into the tree: "tried", "seeds", "failed", "barred", "units" and "words" of each node, "preferences", "verdicts" and "forecasts" of the graph. `counts`: of a verification, whether
        it ended and was made as it would be now."""
        self._read()
        for node, data in graph.nodes(data=True):
            data.update(tried=set(), seeds={}, failed=set(), barred=set(), units=self._units.get(node, frozenset()), words=self._words.get(node, frozenset()))
        found = [v for v in self.store.verifications.all() if not v.own_rate and counts(v)]
        self._scores(graph, found)
        for design_id, scale in barred:
            graph.nodes[design_id]["tried"].add(scale)
            graph.nodes[design_id]["barred"].add(scale)
        decisions = self.store.decisions.by_verb(Verb.PREFER, Verb.RERANK, Verb.APPROVE, Verb.REFUSE, Verb.RESET, Verb.FORECAST)[-MOST:]
        graph.graph["preferences"], graph.graph["verdicts"] = spoken(decisions, graph)
        graph.graph["forecasts"] = [*self._reviewers(graph), *((d.author, d.design_id, d.data["reference"], d.data["scale"], float(d.data["probability"]))
                                                               for d in decisions if d.verb is Verb.FORECAST and d.design_id in graph and d.data["reference"] in graph)]

    def _scores(self, graph: nx.DiGraph, found: Collection[Verification]) -> None:
        newest: dict[tuple[str, str], int] = {}
        suspects = {id for id, suspect in self.store.verifications.suspects().items() if not suspect.counts}
        values: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for v in found:
            graph.nodes[v.design_id]["tried"].add(v.scale)
            newest[v.design_id, v.scale] = max(newest.get((v.design_id, v.scale), 0), v.implementation_id)
        for v in found:
            if v.implementation_id != newest[v.design_id, v.scale]:
                continue
            if v.metrics is None:
                graph.nodes[v.design_id]["failed"].add(v.scale)
            elif v.id not in suspects:
                values[v.design_id, v.scale][v.seed].append(v.metrics.bits_per_byte)
        for (design_id, scale), by_seed in values.items():
            graph.nodes[design_id]["seeds"][scale] = tuple(sum(y) / len(y) for _, y in sorted(by_seed.items()))

    def _reviewers(self, graph: nx.DiGraph) -> list[tuple[str, str, str, str, float]]:
        """A reviewer's first word of a design counts: later ones judge another text."""
        scales = {s.id: s.scale for s in self.store.sessions.all()}
        first: dict[tuple[str, str], tuple[str, str, str, str, float]] = {}
        for r in self.store.reviews.forecasts():
            session = graph.nodes[r.design_id]["design"].session_id if r.design_id in graph else None
            if session in scales and REFERENCE in graph:
                first.setdefault((r.reviewer, r.design_id), (r.reviewer, r.design_id, REFERENCE, scales[session], float(r.data["forecast"])))
        return list(first.values())[-MOST:]

    def _read(self) -> None:
        for id, design_id, title, body, units, new_units in self.store.proposals.since(self._seen):
            self._seen = id
            self._units[design_id] = facts(UnitTree.from_dict(units), {u["name"]: NewUnit(**u) for u in new_units}) if units else frozenset()
            self._words[design_id] = frozenset(words(f"{title} {body}")) - COMMON


def facts(units: UnitTree, declared: dict[str, NewUnit] | None = None) -> frozenset[str]:
    """The facts of a unit tree, one that is there several times numbered, so that the Jaccard index of two sets is the similarity of the bags."""
    bag: Counter[str] = features(resolved(units, declared or {}))
    return frozenset(f"{fact}#{n}" if n else fact for fact, count in bag.items() for n in range(count))
