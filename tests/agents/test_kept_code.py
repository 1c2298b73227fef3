"""Code and the words that it was written for: what of it is kept when a person edits the proposal, and answers of a coder that are not whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stub_llm import Reply
from stub_llm.researcher import FAULTS, Researcher

from core.types import JobState, NewUnit, Proposal, UnitTree


def written(found, design: str) -> tuple[Proposal, NewUnit]:
    proposal = found.desk.store.proposals.newest(design)
    return proposal, proposal.new_units[0]


def coded(found, since: int) -> int:
    """How often the coder was asked to write a unit."""
    return sum("You write PyTorch units" in a.system for a in found.server.log[since:])


def configured(tree: UnitTree, name: str, **config: object) -> UnitTree:
    children = {slot: configured(child, name, **config) for slot, child in tree.children.items()}
    return UnitTree(tree.unit, {**tree.config, **config} if tree.unit == name else tree.config, children)


def implement(found, design: str):
    job = found.desk.implement(design)
    found.work()
    return found.desk.queue.get(job.id)


@pytest.mark.parametrize("edited", ["about", "about and setting", "text", "nothing", "setting"])
def test_code_is_written_anew_where_its_declaration_changed_and_kept_where_it_did_not(lab, edited: str):
    found = lab()
    session = found.session()
    found.work()
    design = f"{session.id}-1"
    proposal, unit = written(found, design)
    made = found.desk.store.implementations.newest(design)
    since = len(found.server.log)
    declared = replace(unit, about="Y_t = max over s<=t of value(X_s).") if "about" in edited else unit
    units = configured(proposal.units, unit.name, share=0.25) if "setting" in edited else proposal.units
    if edited != "nothing":
        found.desk.edit(design, proposal.title, proposal.body + ("\n\nOne more word." if edited == "text" else ""), units, proposal.revision, [declared])
    assert implement(found, design).state is JobState.DONE
    assert coded(found, since) == ("about" in edited)
    if "about" in edited:
        asked = next(a for a in found.server.log[since:] if "You write PyTorch units" in a.system)
        assert "Y_t = max over s<=t" in asked.turns[1][1]
    if edited == "text":                                                              # whether the code does what it says now is asked
        assert any("You compare code" in a.system for a in found.server.log[since:])
    newest = found.desk.store.implementations.newest(design)
    assert newest.units == units
    assert (newest.revision == made.revision) == (edited == "nothing")
    since = len(found.server.log)
    implement(found, design)
    assert found.server.log[since:] == []                                             # it is as proposed now


def test_without_an_observer_a_changed_text_has_the_code_written_anew(lab):
    found = lab()
    found.desk.save_team("plain", "", {"designer": "designer", "reviewer": "reviewer", "coder": "coder"})
    session = found.session(agents="plain")
    found.work()
    proposal, unit = written(found, f"{session.id}-1")
    since = len(found.server.log)
    found.desk.edit(proposal.design_id, proposal.title, proposal.body + "\n\nWith a running maximum instead.", proposal.units, proposal.revision, [unit])
    implement(found, proposal.design_id)
    assert coded(found, since) == 1


class WithWindow(Researcher):
    """Gives the unit the hyperparameter that it is told of."""

    def _code(self, asked):
        reply = super()._code(asked)
        return replace(reply, text=reply.text.replace("share: float = 1.0", "share: float = 1.0, window: int = 8")) if "window" in asked.turns[1][1] else reply


def test_a_hyperparameter_that_a_person_declares_is_written(lab):
    found = lab(WithWindow())
    session = found.session()
    found.work()
    design = f"{session.id}-1"
    proposal, unit = written(found, design)
    found.desk.edit(design, proposal.title, proposal.body, configured(proposal.units, unit.name, window=4), proposal.revision, [replace(unit, config={**unit.config, "window": 8})])
    job = implement(found, design)
    assert job.state is JobState.DONE, job.error
    assert "window: int = 8" in found.desk.store.implementations.newest(design).code


def test_a_kept_unit_that_can_no_longer_be_read_is_written_anew(lab):
    found = lab(Researcher(faults=[FAULTS[0]], stubborn=["syntax"]))
    session = found.session()
    found.work()
    proposal, unit = written(found, f"{session.id}-1")
    found.desk.store.events.append(f"design:{proposal.design_id}", "written", "coder", {"kept": {unit.name: "def (:"}, "note": "", "proposal": proposal.id})
    found.researcher.units[unit.name] = None
    since = len(found.server.log)
    assert implement(found, proposal.design_id).state is JobState.DONE
    assert coded(found, since) == 1


# ------------------------------------------------------------------------------------------------ answers that are not whole


def test_an_edit_that_does_not_apply_is_told_on_the_screen(lab):
    class Misses(Researcher):
        missed = False

        def _code(self, asked):
            if "You mend PyTorch units" in asked.system and not self.missed:
                self.missed = True
                return Reply("<<<<<<< SEARCH\nno such line\n=======\nx\n>>>>>>> REPLACE\n")
            return super()._code(asked)

    found = lab(Misses(faults=[FAULTS[0]]))
    session = found.session()
    found.work()
    said = "\n".join(e["text"] for e in found.said(session, "delta"))
    assert "its SEARCH part is not in the code" in said
    assert found.desk.store.implementations.newest(f"{session.id}-1").units


def test_a_unit_that_is_cut_off_is_not_taken_though_it_can_be_read(lab):
    class Cut(Researcher):
        cut = False

        def _code(self, asked):
            reply = super()._code(asked)
            if not self.cut:
                self.cut = True
                return replace(reply, text=reply.text.replace(" * self.share\n```", "\n"), finish="length")
            return reply

    found = lab(Cut())
    session = found.session()
    found.work()
    assert "* self.share" in found.desk.store.implementations.newest(f"{session.id}-1").code
    assert "the answer was cut off" in "\n".join(e["text"] for e in found.said(session, "delta"))


def test_a_review_that_is_cut_off_is_asked_for_again(lab):
    class Cut(Researcher):
        def __call__(self, asked):
            reply = super().__call__(asked)
            first = "You review" in asked.system and len(asked.turns) == 2
            return Reply(reply.text[: reply.text.rindex('"summary"') + 20], finish="length") if first else reply

    found = lab(Cut())
    session = found.session(n_implement=0)
    found.work()
    (review,) = found.desk.store.reviews.of(f"{session.id}-1")
    assert len(review.data["summary"]) > 20
    told = [a.turns[-1][1] for a in found.server.log if "You review" in a.system][-1]
    assert "the answer was cut off: it is longer than 6000 tokens" in told
