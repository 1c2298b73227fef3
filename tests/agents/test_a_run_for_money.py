"""A run of ALG 1 whose only limit for designing is money, with language models behind the stub: it never spends more, says where it waits, and goes on when topped up."""

from __future__ import annotations

import pytest
from stub_llm.researcher import Researcher

DEAREST = 0.21       # US dollars: what one call of the stub's model may cost at most, and what is set aside before it is made


def test_a_run_designs_until_its_money_is_spent_and_no_further(lab):
    found = lab(Researcher())
    first = found.session(n_implement=1)
    found.work()
    price = found.desk.store.calls.spent(stream=f"session:{first.id}").money
    granted = round(DEAREST + 2.5 * price, 4)
    run = found.desk.evolve(f"${granted}", {"nano": 4}, seed=0, n_proposals=1, agents="default", selector="greedy").subject
    for more in (0.0, 3 * price):
        granted += more
        found.desk.set_budget(f"{run}/money", granted)
        found.work()
        amount, spent, reserved = found.left(f"{run}/money")
        assert amount == pytest.approx(granted)
        assert granted - DEAREST < spent <= granted
        assert reserved == 0
        assert spent == pytest.approx(found.desk.store.calls.spent(run=run).money)
        assert len(found.desk.store.sessions.ids_of(run)) >= 2
        assert found.desk.run(run).state == "waiting"
        assert f"the budget {run}/money is used up" in found.desk.run(run).words
