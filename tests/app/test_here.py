"""An error that names a command leads to the page that does the same."""

from __future__ import annotations

import pytest

from app.here import PAGES, Way, way
from app.shell import PAGES as FILES


@pytest.mark.parametrize(("mend", "found"), [
    ("implement it first: python -m core implement s1-2", Way("design", "Open the design", {"design": "s1-2"})),
    ("see: python -m core show gpt2", Way("design", "Open the design", {"design": "gpt2"})),
    ("see: python -m core show DESIGN", None),
    ("python -m core budget run-1a2b/nano 12 or more: what waits for it goes on", Way("evolve", "Open the run", {"run": "run-1a2b"})),
    ("python -m core budget money 5", Way("agents", "Open the budgets", {})),
    ("measure it: python -m core verify gpt2 --scale nano", Way("verify", "Open Verify", {"designs": "gpt2"})),
    ("python -m core run show run-1a2b", Way("evolve", "Open the run", {"run": "run-1a2b"})),
    ("start a worker: python -m core worker", None), ("look at the path", None), ("", None)])
def test_the_page_of_a_command(mend: str, found: Way | None):
    assert way(mend) == found


def test_each_of_them_is_a_page():
    assert {page for page, _ in PAGES.values()} <= set(FILES)


def test_an_error_on_a_page_links_to_where_it_is_mended(open_page):
    page = open_page("design", design="nowhere")
    assert page.error
    assert [link.proto.label for link in page.get("page_link") if "arrow_forward" in link.proto.icon] == ["Open the tree"]
