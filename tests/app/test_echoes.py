"""What others wrote, and what an address says, as a page repeats it: no link, and never at length."""

from __future__ import annotations

import pytest
from screens import said

from app import shell

LONG = "x" * 5000


@pytest.mark.parametrize(("page", "name"), [
    ("tree", "design"), ("design", "design"), ("design", "session"), ("studio", "session"), ("studio", "parents"), ("evolve", "run"), ("agents", "agent"), ("library", "design"), ("library", "paper"),
    ("library", "view"), ("data", "corpus"), ("data", "view"), ("report", "verifications"), ("report", "reference"), ("compare", "designs"), ("compare", "part"), ("verify", "designs"),
    ("jobs", "job"), ("inbox", "item")])
def test_a_long_parameter_is_not_echoed_in_full(open_page, page: str, name: str):
    assert "x" * 200 not in said(open_page(page, **{name: LONG}))


def test_an_error_keeps_its_words_and_cuts_the_names_it_quotes():
    assert shell.brief(f"there is no design {LONG!r} here") == f"there is no design '{'x' * 60}…' here"
    assert shell.brief("the design's code, which is long enough to be cut if it were a name, is not the person's") == \
        "the design's code, which is long enough to be cut if it were a name, is not the person's"
    assert len(shell.brief(LONG)) < 1000


@pytest.mark.parametrize("hostile", ["http://evil.example", "HTTPS://evil.example/a?b=c", "www.evil.example", "WWW.evil.example", "me@evil.example", "see (http://evil.example)"])
def test_an_address_in_plain_text_is_parted_where_a_link_would_begin(hostile: str):
    shown = shell.plain(hostile)
    assert "\u2060" in shown
    assert shown.replace("\u2060", "").replace("\\", "") == hostile
