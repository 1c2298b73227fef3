"""The built-in designer: needs no key, says what it is, and gives the same proposal for the same seed."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

from core.agents.base import Back, Brief, Draft
from core.agents.dialog import Dialog
from core.agents.spec import AgentSpec
from core.agents.variation import CROSSOVERS, MAX_DEPTH, MUTATIONS, Change, Offspring, Vocabulary, clear, depth, describe, diagram, scratch
from core.errors import DesignError, UnitError
from core.gab.structure import resolved, structural_hash
from core.gab.units import UnitLibrary
from core.types import Proposal, Review, UnitTree, derive_seed

NEGATIONS = re.compile(r"\b(no|not|without|avoid|never|drop|except)\W+(?:\w+\W+){0,2}?$", re.IGNORECASE)


class GeneticDesigner:
    """Mutates, crosses or draws unit trees until a valid structure is found that the tree does not hold yet."""

    def __init__(self, spec: AgentSpec, library: UnitLibrary) -> None:
        self.name = spec.name
        self.spec = spec
        self.library = library

    def propose(self, brief: Brief, dialog: Dialog, design_id: str) -> Draft:
        if brief.own:  # units that a parent brought along
            return GeneticDesigner(self.spec, self.library.extended(brief.own)).propose(replace(brief, own=()), dialog, design_id)
        rng = Random(derive_seed(brief.seed, "genetic"))
        words, unread = self._vocabulary(brief.instructions)
        with dialog.message(self.name, "designer", design_id) as message:
            message.say(self.spec.render(
                "opening", about=self.spec.about, parents=brief.parents, mode=str(brief.mode), preferred=sorted(words.preferred),
                avoided=sorted(words.avoided), unread=unread) + "\n\n")
            tree, changes = self._search(brief, words, rng, message.say)
            draft = self._write(brief, tree, changes)
            message.say("\n---\n\n")
            for chunk in draft.body.splitlines(keepends=True):
                message.say(chunk)
        return draft

    def revise(self, proposal: Proposal, review: Review | None, brief: Brief, dialog: Dialog, round: int, back: Back | None = None) -> Draft | None:
        """It reads no prose, so after a review it stands by what it drew. What a person sent back is drawn anew, following the names of units in their words, and it says so."""
        if back is None:
            return None
        if brief.own:
            return GeneticDesigner(self.spec, self.library.extended(brief.own)).revise(proposal, review, replace(brief, own=()), dialog, round, back)
        said = f"{brief.instructions}\n{back.words}".strip()
        known = [*brief.known, *([(f"revision {proposal.revision}", proposal.units)] if proposal.units else [])]
        words, _ = self._vocabulary(said)
        _, unread = self._vocabulary(back.words)
        with dialog.message(self.name, "designer", proposal.design_id) as message:
            note = self.spec.render("sent_back", author=back.author, preferred=sorted(words.preferred), avoided=sorted(words.avoided), unread=unread, revision=proposal.revision)
            message.say(note + "\n\n")
            tree, changes = self._search(replace(brief, known=known), words, Random(derive_seed(brief.seed, "sent back", back.id)), message.say, cleared=True)
            draft = self._write(brief, tree, changes)
            message.say(f"\n---\n\n{draft.body}")
            if left := sorted({node.unit for _, node in tree.walk()} & set(words.avoided)):
                note += f"\n\nStill in it, since nothing could stand in: {', '.join(left)}."
        return replace(draft, body=f"{draft.body}\n\n#### After it was sent back\n\n{note}")

    # ------------------------------------------------------------------------------------------------ searching

    def _search(self, brief: Brief, words: Vocabulary, rng: Random, say, cleared: bool = False) -> Offspring:
        """`cleared`: what is to be avoided is also taken out where the parents have it."""
        taken = {structural_hash(tree): owner for owner, tree in brief.known}
        for _ in range(int(self.spec.settings["attempts"])):
            offspring = self._draw(brief, words, rng)
            if offspring is None:
                continue
            tree, changes = offspring
            if cleared:
                tree, more = clear(tree, words, rng)
                offspring = tree, changes = tree, [*changes, *more]
            why = self._objection(tree, resolved(tree, brief.declared), taken)
            if why is None:
                return offspring
            say(self.spec.render("rejected", change="; ".join(f"{c.where}: {c.what}" for c in changes), why=why) + "\n")
        raise DesignError(
            f"no new structure found in {self.spec.settings['attempts']} draws from {', '.join(p.id for p in brief.parents) or 'scratch'}",
            "choose other parents, avoid fewer units, or raise `attempts` in agent_specs/genetic_designer.yaml")

    def _draw(self, brief: Brief, words: Vocabulary, rng: Random) -> Offspring | None:
        if not brief.parents:
            return scratch(words, rng)
        if len(brief.parents) > 1:
            first, second = rng.sample([p.units for p in brief.parents], 2)
            return CROSSOVERS[_weighted(self.spec.settings["crossover"], rng)](first, second, words, rng)
        weights = dict(self.spec.settings["operators"])
        if words.preferred:
            weights["swap"] *= 5  # the operator that can bring a named unit in
        return MUTATIONS[_weighted(weights, rng)](brief.parents[0].units, words, rng)

    def _objection(self, tree: UnitTree, structure: UnitTree, taken: dict[str, str]) -> str | None:
        try:
            self.library.validate(tree)
        except UnitError as error:
            return error.what
        if depth(tree) > MAX_DEPTH:
            return f"{depth(tree)} levels of units, more than {MAX_DEPTH}"
        owner = taken.get(structural_hash(structure))
        return f"`{owner}` is the same structure" if owner else None

    # -------------------------------------------------------------------------------------------------- writing

    def _write(self, brief: Brief, tree: UnitTree, changes: list[Change]) -> Draft:
        tuned = next((c.what.split(": ", 1)[1] for c in changes if ": " in c.what), "")
        body = self.spec.render(
            "proposal", mode=str(brief.mode), parents=brief.parents, changes=changes, diagram=diagram(tree),
            effects=self._effects(brief, tree), risks=self._risks(tree))
        how = f"{brief.mode.capitalize()} of {' × '.join(p.id for p in brief.parents)}" if brief.parents else "From scratch"
        return Draft(
            title=describe(tree) + (f", {tuned}" if tuned else ""),
            summary=(f"{how}: " + "; ".join(f"{c.where} {c.what}" for c in changes)).replace("`", ""),       # a summary is no Markdown
            body=body, units=tree)

    def _effects(self, brief: Brief, tree: UnitTree) -> list[str]:
        old = {node.unit for parent in brief.parents[:1] for _, node in parent.units.walk()}
        new = sorted({node.unit for _, node in tree.walk()} - old)
        return [f"`{name}`: {self.library.info(name).doc.splitlines()[0]}" for name in new] or ["The same units in another arrangement."]

    def _risks(self, tree: UnitTree) -> list[str]:
        return self.spec.render("risks", units={node.unit for _, node in tree.walk()}, n_units=len(tree.walk()),
                                mixers=[n.unit for _, n in tree.walk() if self.library.info(n.unit).kind == "mixer"],
                                positions=[n.unit for _, n in tree.walk() if self.library.info(n.unit).kind == "position"]).splitlines()

    def _vocabulary(self, instructions: str) -> tuple[Vocabulary, bool]:
        """Units named in the instructions: preferred, or avoided after a negation; and whether there was more than names."""
        preferred, avoided = set(), set()
        rest = instructions
        for name in sorted((n for n in self.library.names()), key=len, reverse=True):
            pattern = re.compile(rf"\b{name.replace('_', '[ _-]')}\b", re.IGNORECASE)
            for match in pattern.finditer(rest):
                (avoided if NEGATIONS.search(instructions[: match.start()]) else preferred).add(name)
            rest = pattern.sub(lambda m: " " * len(m.group()), rest)
        unread = re.search(r"[a-z]{4,}", rest, re.IGNORECASE) is not None
        return Vocabulary(self.library, frozenset(preferred - avoided), frozenset(avoided)), unread


def _weighted(weights: dict[str, float], rng: Random) -> str:
    return rng.choices(sorted(weights), [weights[name] for name in sorted(weights)])[0]
