"""What a person types into editors of a proposal, of code and of a comment, in a real browser: it outlives who saves meanwhile, a refusal, and a reload."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from serving import settled

from core.config import Config
from core.desk import Desk
from core.types import Kind, Mode

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
MINE = "My own paragraph, typed for minutes."


@pytest.fixture
def desk(app) -> Iterator[Desk]:
    """Somebody else's, over the app's own data."""
    desk = Desk.open(Config.from_env({"DATA_DIR": str(app.data_dir)}), author="bob")
    yield desk
    desk.store.close()


@pytest.fixture
def design(desk: Desk, request: pytest.FixtureRequest) -> str:
    """Proposed, with code of its own."""
    name = f"own-{zlib.crc32(request.node.name.encode())}"
    units = desk.store.proposals.newest("gpt2").units
    desk.store.designs.add(name, "Own", Kind.AGENT, Mode.MUTATION, ["gpt2"], "tester", None, 0, "")
    desk.store.proposals.add(name, "tester", False, "Own", "As it was.", units)
    desk.store.implementations.add(name, "tester", desk.store.implementations.newest("gpt2").code, units)
    return name


def edit(page: Page) -> None:
    settled(page)
    page.locator("summary", has_text="Edit").first.click()
    expect(page.get_by_label("Proposal (Markdown)").first).to_be_visible()
    settled(page)


def saves(desk: Desk, design: str, body: str) -> None:
    newest = desk.store.proposals.newest(design)
    desk.edit(design, newest.title, body, newest.units, newest.revision)


@pytest.mark.parametrize("mine", ["over", "theirs"])
def test_who_saves_second_is_told_loses_no_word_and_chooses(app, desk: Desk, design: str, page: Page, mine: str):
    page.goto(f"{app.url}/design?design={design}")
    edit(page)
    page.get_by_label("Proposal (Markdown)").fill(MINE)
    saves(desk, design, "What Bob wrote.")
    page.get_by_role("button", name="Save as a new revision").click()
    expect(page.get_by_text("bob saved revision 2 while you edited revision 1")).to_be_visible(timeout=20_000)
    expect(page.get_by_label("Proposal (Markdown)")).to_have_value(MINE)
    assert desk.store.proposals.newest(design).body == "What Bob wrote."

    page.reload()                                                   # refused is not sent: it is kept
    edit(page)
    if mine == "over":
        expect(page.get_by_label("Proposal (Markdown)")).to_have_value("What Bob wrote.")          # who comes anew begins from the newest
        page.get_by_label("Proposal (Markdown)").fill(MINE)
        settled(page)
        saves(desk, design, "What Bob wrote next.")
        page.get_by_role("button", name="Save as a new revision").click()
        expect(page.get_by_text("bob saved revision 3 meanwhile")).to_be_visible(timeout=20_000)
        page.get_by_text("What revision 3 changed").click()
        expect(page.get_by_text("What Bob wrote next.").first).to_be_visible(timeout=20_000)
        expect(page.get_by_label("Proposal (Markdown)")).to_have_value(MINE)
        page.get_by_role("button", name="Save over revision 3").click()
        expect(page.get_by_text("saved", exact=True).first).to_be_visible(timeout=20_000)
        assert [p.body for p in desk.store.proposals.revisions(design)] == ["As it was.", "What Bob wrote.", "What Bob wrote next.", MINE]
        expect(page.get_by_text("meanwhile")).to_have_count(0)
    else:
        page.get_by_label("Proposal (Markdown)").fill(MINE)
        saves(desk, design, "What Bob wrote next.")
        page.get_by_role("button", name="Save as a new revision").click()
        page.get_by_role("button", name="Begin from revision 3").click(timeout=20_000)
        expect(page.get_by_text("meanwhile")).to_have_count(0, timeout=20_000)
        settled(page)
        expect(page.get_by_label("Proposal (Markdown)")).to_have_value("What Bob wrote next.")


def test_what_was_refused_stands_after_a_reload(app, desk: Desk, design: str, page: Page):
    page.goto(f"{app.url}/design?design={design}")
    edit(page)
    page.get_by_label("Units (YAML)").fill("unit: [broken")
    settled(page)
    page.get_by_role("button", name="Save as a new revision").click()
    expect(page.get_by_text("the units' YAML, line 1").first).to_be_visible(timeout=20_000)
    settled(page)
    page.wait_for_timeout(1500)
    page.reload()
    edit(page)
    expect(page.get_by_label("Units (YAML)")).to_have_value("unit: [broken")
    page.get_by_label("Units (YAML)").fill("unit: pre_norm")
    page.reload()
    edit(page)
    expect(page.get_by_label("Units (YAML)")).to_have_value("unit: pre_norm")


def test_half_a_comment_and_changed_code_outlive_a_reload(app, desk: Desk, design: str, page: Page):
    page.goto(f"{app.url}/design?design={design}")
    settled(page)
    page.get_by_role("tab", name="Story").click()
    page.get_by_label("Comment").fill("half a thought")
    page.get_by_role("tab", name="Debug").click()
    code = desk.store.implementations.newest(design).code
    page.get_by_label("gab.py", exact=True).fill(code + "\n# by hand")
    page.reload()
    settled(page)
    page.get_by_role("tab", name="Debug").click()
    expect(page.get_by_label("gab.py", exact=True)).to_have_value(code + "\n# by hand")
    expect(page.get_by_text("What you changed")).to_be_visible(timeout=20_000)             # the server has it, too: what is checked is what is seen
    page.get_by_role("tab", name="Story").click()
    expect(page.get_by_label("Comment")).to_have_value("half a thought")
    page.get_by_role("button", name="Add the comment").click()
    expect(page.get_by_label("Comment").last).to_have_value("", timeout=20_000)
    settled(page)
    page.wait_for_timeout(1500)
    page.reload()
    settled(page)
    page.get_by_role("tab", name="Story").click()
    expect(page.get_by_label("Comment")).to_have_value("")
    assert [d.reason for d in desk.store.decisions.of(design)] == ["half a thought"]
