"""The right papers come first: forty questions as a researcher types them, asked of the library as the pages, the agents and the command line ask it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from core.config import Config
from core.papers.library import PaperLibrary
from core.store import Store
from core.store.paper_nouns import Facts


def test_at_least_nine_of_ten_questions_find_an_expected_paper_among_the_first_five(config: Config):
    store = Store.open(config, migrate=True)
    library = PaperLibrary(store, config.library_dir)
    questions = yaml.safe_load((Path(__file__).with_name("queries.yaml")).read_text(encoding="utf-8"))
    assert len(questions) >= 40
    missed = [q for q, wanted in questions.items() if not {h.paper.id for h in library.search(q, limit=5)} & set(wanted)]
    assert len(missed) <= len(questions) // 10, missed
    assert [h.paper.id for h in library.search("1706.03762", limit=1)] == ["vaswani2017-attention"], "an id finds its paper"
    store.close()


@pytest.mark.parametrize(("asked", "other"), [("length generalisation", "length generalization"), ("query key normalisation", "query key normalization"), ("modeling of behavior", "modelling of behaviour")])
@pytest.mark.parametrize("prefix", [False, True])
def test_both_spellings_find_the_same(config: Config, asked: str, other: str, prefix: bool):
    store = Store.open(config, migrate=True)
    store.papers.add(Facts(title="On the behaviour of modelling"), "bibtex", "primary")
    library = PaperLibrary(store, config.library_dir)
    found = [[h.paper.id for h in library.search(words, limit=8, prefix=prefix)] for words in (asked, other)]
    assert len(found[0]) >= 3
    assert found[0] == found[1]
    store.close()
