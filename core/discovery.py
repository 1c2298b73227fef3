"""The algorithm, ALG 1–4, one page. Everything it needs hangs on a `lab` (core/lab.py); ALG 5 is the lab's selector.

Every step is re-entrant: it gets what is stored, or makes it and stores it. A crash resumes where it was, a waiting person blocks
no worker, and a reservation keyed by its subject is never charged twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import Paused, Withdrawn
from core.types import DESIGN_BUDGET, Act, Outcome, Session

if TYPE_CHECKING:
    from core.lab import Lab, Reservation


def evolve(lab: Lab) -> Outcome:
    """ALG 1: design and verify until the budgets are spent, an end is reached, a person pauses it, or everything waits for a person.

    Several workers may be at one run, each with a lab of its own: an act is taken in one transaction, and what the others hold stands in the tree as running.
    """
    while act := lab.next_act():  # what was interrupted, what a person wants, else lab.selector.next_act(tree, budgets, gates)
        lab.did(act, run(lab, act))
    return lab.outcome()


def run(lab: Lab, act: Act) -> Outcome:
    return design(lab) if act is Act.DESIGN else verify(lab)


def design(lab: Lab) -> Outcome:
    """ALG 2: grow the tree by one design session; costs one unit of the design budget."""
    session = lab.open_session() or lab.started(lab.parents())
    if session is None:  # the gate before it is closed, or another worker was quicker
        return Outcome.WAITING
    with lab.reserve(DESIGN_BUDGET, session.id) as cost:
        return sample(lab, session, cost)


def verify(lab: Lab) -> Outcome:
    """ALG 3: train and measure one design at one scale; costs one unit of that scale's budget."""
    picked = lab.choice()
    if not lab.opened(picked):
        return Outcome.WAITING
    with lab.passing_over(picked.design, picked.scale), lab.reserve(picked.scale, picked.subject):
        lab.proven(picked.design, picked.scale, picked.subject)
        lab.verified(picked.design, picked.scale, picked.seed)
    lab.selector.learn(lab.tree())
    return Outcome.DONE


def sample(lab: Lab, session: Session, cost: Reservation) -> Outcome:
    """ALG 4: propose many, review and rank them, implement the best. Proposing is cheap, implementing dear, verifying dearest."""
    try:
        proposals = [p for k in range(session.n_proposals) if (p := lab.proposal(session, k)) is not None]
        ranked = lab.ranked(session, [lab.reviewed(session, p) for p in proposals])
        best, asked = lab.passed(session, ranked)
        for chosen in best:
            with lab.passing_by(session, chosen):
                lab.implemented(chosen, session.scale, session)
        if asked:
            lab.wait(session)
            cost.keep()
            return Outcome.WAITING
    except Withdrawn:  # a person refused it while its code was written: the next best takes its place
        return sample(lab, session, cost)
    except Paused as why:  # a budget is spent, a provider wants patience, or a person said so: nothing is lost, and it goes on from here
        lab.put_aside(session, why)
        cost.keep()
        return Outcome.WAITING
    lab.close(session)
    return Outcome.DONE
