"""What a person is told of their own words: that an edit made a copy, that a key was in them."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from core.desk import Desk


def press(test: AppTest, label: str) -> None:
    next(b for b in test.button if label in b.label).click().run()
    assert not test.exception, test.exception


def test_an_edit_that_makes_a_copy_is_saved_and_said(open_page, desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=1, seed=1)
    work()
    design = f"{session.id}-1"
    test = open_page("design", design=design)
    assert not any("copy of" in w.value for w in test.warning)
    parent = desk.store.proposals.newest("gpt2")
    next(t for t in test.text_area if t.label.startswith("Units (YAML)")).set_value(str(parent.units.to_dict()))
    press(test, "Save as a new revision")
    assert desk.store.proposals.newest(design).units == parent.units
    assert any("this is a copy of gpt2, unit for unit" in w.value for w in test.warning)
    assert desk.copied(design) == "gpt2"
