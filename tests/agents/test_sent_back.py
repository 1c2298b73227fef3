"""A proposal that a person sends back, with a designer that is a language model: their words reach it, in a conversation of their own."""

from __future__ import annotations

from stub_llm.researcher import Researcher

from core.types import MONEY


def test_the_designer_hears_the_words_and_the_reviewer_reviews_again(lab):
    found = lab(Researcher(ratings=(4.0, 4.5)))
    session = found.session(n_implement=0, gate="ask")
    found.work()
    (design,) = found.desk.ranking(session.id)
    before = found.desk.store.calls.spent(stream=f"session:{session.id}")
    decision = found.desk.send_back(design.id, "MAKE IT CAUSAL, please").id
    found.work()
    newest = found.desk.store.proposals.newest(design.id)
    assert newest.revision == 2
    calls = found.desk.store.calls.of_stream(f"session:{session.id}")
    asked = next(c for c in calls if f"/back{decision}" in c.key)
    assert "MAKE IT CAUSAL, please" in str(asked.request)
    assert found.desk.store.reviews.of(design.id)[-1].proposal_id == newest.id
    assert found.desk.store.calls.spent(stream=f"session:{session.id}").money > before.money
    assert found.left(MONEY)[0] > 0
    assert found.desk.standing(session.id)[0] == "waiting"
