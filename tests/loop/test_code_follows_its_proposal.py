"""A proposal that is revised, sent back or refused while its code is written and checked; and code that a person saves or takes back."""

from __future__ import annotations

from collections.abc import Callable

import inbox_setting
import pytest

from core.desk import Desk
from core.dossier import dossier
from core.errors import Conflict, UsageError
from core.report.design import as_markdown
from core.report.siblings import effect
from core.types import Implementation, JobKind, JobState, Status

desk, proposed, template = inbox_setting.desk, inbox_setting.proposed, inbox_setting.template
CODE = "class GAB:\n    pass\n\n\ngab_config = {}\n"


@pytest.fixture
def during_check(desk: Desk, system) -> Callable[[Callable[[], object]], None]:
    """Has something happen, once, while the next check runs."""

    def arrange(act: Callable[[], object]) -> None:
        check, left = system.fake.check, [act]

        def checked(code, scale):
            if left:
                left.pop()()
            return check(code, scale)

        system.fake.check = checked

    return arrange


def revise(desk: Desk, design: str, like: str) -> None:
    """Give a design the units of another."""
    mine, other = desk.store.proposals.newest(design), desk.store.proposals.newest(like)
    desk.edit(design, mine.title, mine.body, other.units, mine.revision)


def saved(desk: Desk, work, design: str, code: str, base: int) -> Implementation:
    job = desk.try_code(code)
    work()
    return desk.save_code(design, job.id, base)


# ------------------------------------------------------------------------------------------------ while it is written


def test_a_proposal_that_is_sent_back_during_its_check_gets_no_code_of_the_old_revision(desk: Desk, proposed, during_check, work):
    first, *_ = proposed
    desk.approve(first, implement=True)
    during_check(lambda: desk.send_back(first, "smaller"))
    work()
    assert [j.state for j in desk.queue.all() if j.kind is JobKind.IMPLEMENT] == [JobState.CANCELLED]
    assert desk.store.proposals.newest(first).revision == 2
    assert desk.store.designs.get(first).status is Status.PROPOSED       # and so it is judged again
    assert first in {item.design for item in desk.inbox().items}
    desk.approve(first, implement=True)
    work()
    assert desk.store.implementations.newest(first).units == desk.store.proposals.newest(first).units
    assert desk.behind(first) is None


def test_a_proposal_that_a_person_edits_during_its_check_gets_the_code_of_what_it_says_now(desk: Desk, proposed, during_check, work):
    first, second, _ = proposed
    desk.approve(first, implement=True)
    during_check(lambda: revise(desk, first, second))
    work()
    assert desk.store.designs.get(first).status is Status.IMPLEMENTED
    assert desk.store.implementations.newest(first).units == desk.store.proposals.newest(second).units
    assert [i.check is not None for i in desk.store.implementations.revisions(first)] == [False, True]
    assert desk.behind(first) is None


def test_other_words_for_the_same_units_need_no_other_code(desk: Desk, proposed, during_check, work):
    first, *_ = proposed
    desk.approve(first, implement=True)
    proposal = desk.store.proposals.newest(first)
    during_check(lambda: desk.edit(first, "In other words", proposal.body + "\n\nMore.", proposal.units, proposal.revision))
    work()
    (made,) = desk.store.implementations.revisions(first)
    assert made.check.passed
    assert desk.behind(first) is None


def test_a_refusal_during_the_check_stores_no_check(desk: Desk, proposed, during_check, work):
    first, *_ = proposed
    desk.approve(first, implement=True)
    during_check(lambda: desk.refuse(first, "too dear"))
    work()
    assert desk.store.implementations.newest(first).check is None
    assert desk.store.designs.get(first).status is Status.REFUSED


def test_what_its_session_writes_at_this_moment_is_not_sent_back(desk: Desk, proposed, during_check, work):
    first, *_ = proposed
    said: list[str] = []

    def interfere() -> None:
        with pytest.raises(UsageError, match="writing the code") as raised:
            desk.send_back(writing(), "smaller")
        said.append(str(raised.value))

    def writing() -> str:
        return next(i.design_id for d in proposed for i in desk.store.implementations.revisions(d))

    during_check(interfere)
    desk.release(first.partition("-")[0])
    work()
    assert said
    assert "edit the proposal" in said[0]


# ------------------------------------------------------------------------------------------------ after it was written


def test_code_that_is_behind_its_proposal_is_told_and_written_anew(desk: Desk, proposed, work):
    first, second, _ = proposed
    desk.approve(first, implement=True)
    work()
    assert desk.behind(first) is None
    revise(desk, first, second)
    found = desk.behind(first)
    assert (found.code.revision, found.proposal.revision) == (1, 2)
    assert "revision 1 of the code was written before revision 2 of the proposal" in found.words
    desk.implement(first)
    work()
    assert desk.behind(first) is None
    assert desk.store.implementations.newest(first).units == desk.store.proposals.newest(second).units


def test_a_score_of_older_code_is_told_as_such_until_the_newest_is_measured(desk: Desk, proposed, work):
    first, *_ = proposed
    desk.approve(first, implement=True)
    work()
    desk.verify([first], "nano")
    work()
    assert desk.store.designs.get(first).older == ()
    saved(desk, work, first, CODE, 1)
    design = desk.store.designs.get(first)
    assert design.older == ("nano",)
    assert {d.id: d.older for d in desk.store.designs.all()}[first] == ("nano",)
    assert desk.grid([design], ["nano"])[0][0].older
    assert "| 1 | 1 | nano | 0 |" in as_markdown(dossier(desk.store, first))
    again = desk.restore_code(first, 1, 2)              # word for word the code that was measured
    assert (again.revision, again.check.passed) == (3, True)
    assert desk.store.designs.get(first).older == ()
    saved(desk, work, first, CODE, 3)
    desk.verify([first], "nano")
    work()
    assert desk.store.designs.get(first).older == ()


def test_code_that_failed_its_check_does_not_take_the_place_of_code_that_passed(desk: Desk, proposed, system, work):
    first, *_ = proposed
    desk.approve(first, implement=True)
    work()
    system.fake.passes = lambda code: code != CODE
    with pytest.raises(UsageError, match="revision 1 passed"):
        saved(desk, work, first, CODE, 1)
    assert desk.store.implementations.newest(first).revision == 1


def test_failing_code_may_be_replaced_by_other_failing_code(desk: Desk, proposed, system, work):
    first, *_ = proposed
    system.fake.passes = lambda code: False
    desk.approve(first, implement=True)
    work()
    assert desk.store.designs.get(first).status is Status.FAILED
    assert saved(desk, work, first, CODE, 1).revision == 2
    with pytest.raises(UsageError, match=r"has no revision 7 .*1, 2"):
        desk.restore_code(first, 7, 2)
    with pytest.raises(Conflict, match="saved revision 2 meanwhile"):
        desk.restore_code(first, 1, 1)
    assert desk.restore_code(first, 1, 2).revision == 3


def test_a_hand_that_was_not_measured_is_not_compared_with_untouched_siblings(desk: Desk, proposed, work):
    first, second, third = proposed
    for design in proposed:
        desk.approve(design, implement=True)
    work()
    desk.verify([first, second], "nano")
    work()
    saved(desk, work, first, CODE, 1)
    assert effect(desk.store).at("nano") is None        # what was measured of it is the agent's
    desk.verify([first], "nano")
    work()
    assert effect(desk.store).pairs[0].edited == (first,)
    desk.verify([third], "nano")
    work()
    revise(desk, third, second)
    assert third not in effect(desk.store).pairs[0].edited
