"""The built-in reviewer: fixed rules over structure. It never reads prose, and says so."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.agents.base import Brief, Opinion
from core.agents.dialog import Dialog
from core.agents.spec import AgentSpec
from core.gab.declared import with_declared
from core.gab.structure import distance, resolved
from core.gab.units import UnitLibrary
from core.types import Proposal, UnitTree


@dataclass(frozen=True)
class Line:
    name: str
    score: float                     # 0–5
    why: str


class RuleReviewer:
    """Rates novelty against the whole tree, cost, and plausibility; each with its reason."""

    def __init__(self, spec: AgentSpec, library: UnitLibrary) -> None:
        self.name = spec.name
        self.spec = spec
        self.library = library

    def review(self, proposal: Proposal, brief: Brief, dialog: Dialog) -> Opinion:
        if brief.own or proposal.new_units:  # what the library does not know
            known = with_declared(self.library.extended(brief.own), proposal.new_units)
            return RuleReviewer(self.spec, known).review(replace(proposal, new_units=()), replace(brief, own=(), declared={**brief.declared, **{u.name: u for u in proposal.new_units}}), dialog)
        if proposal.units is None:
            lines = [Line("plausibility", 2.5, "a flat block: there is no structure that my rules could read")]
        else:
            lines = [self._novelty(proposal.units, brief), self._cost(proposal.units), self._plausibility(proposal.units)]
        weights = self.spec.settings["weights"]
        total = sum(weights[line.name] for line in lines)
        rating = round(sum(weights[line.name] * line.score for line in lines) / total, 2)
        text = self.spec.render("review", about=self.spec.about, lines=lines, rating=rating)
        with dialog.message(self.name, "reviewer", proposal.design_id) as message:
            for chunk in text.splitlines(keepends=True):
                message.say(chunk)
        return Opinion(rating, {line.name: line.score for line in lines}, text)

    def _novelty(self, tree: UnitTree, brief: Brief) -> Line:
        """Structural distance to the nearest design of the tree; 0.5 and more counts as fully new."""
        own = resolved(tree, brief.declared)
        near = min(((distance(own, other), owner) for owner, other in brief.known), default=(1.0, "nothing"))
        return Line("novelty", round(min(5.0, 10 * near[0]), 1), f"nearest is {near[1]}, {near[0]:.0%} of the structure differs")

    def _cost(self, tree: UnitTree) -> Line:
        """Growth with length and number of units; parameters are no cost here, since every design is fitted to the same count."""
        mixers = self._of_kind(tree, "mixer")
        quadratic = sum(name == "attention" for name in mixers)
        score = 4.5 - 1.5 * quadratic / max(1, len(mixers)) - 0.1 * max(0, len(tree.walk()) - 8)
        growth = "quadratic in length" if quadratic == len(mixers) else "partly quadratic in length" if quadratic else "linear in length"
        return Line("cost", round(max(0.0, score), 1), f"{growth}, {len(tree.walk())} units")

    def _plausibility(self, tree: UnitTree) -> Line:
        """Known pitfalls, each with its price."""
        mixers, all_units = self._of_kind(tree, "mixer"), {node.unit for _, node in tree.walk()}
        complaints = []
        if not mixers:
            complaints.append((4.0, "nothing mixes positions"))
        if set(mixers) == {"attention"} and not self._of_kind(tree, "position"):
            complaints.append((1.0, "attention without positions"))
        if not self._of_kind(tree, "channel") and "mamba2" not in mixers:
            complaints.append((1.0, "no channel mixer, and its mixer has no wide inner width of its own"))
        if "post_norm" in all_units:
            complaints.append((0.5, "post-norm needs care at depth"))
        if set(mixers) == {"sliding_window_attention"}:
            complaints.append((0.5, "nothing reaches beyond the windows"))
        score = max(0.0, 4.5 - sum(price for price, _ in complaints))
        return Line("plausibility", score, "; ".join(words for _, words in complaints) or "no known pitfall")

    def _of_kind(self, tree: UnitTree, kind: str) -> list[str]:
        return [node.unit for _, node in tree.walk() if self.library.info(node.unit).kind == kind]
