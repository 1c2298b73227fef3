"""The table of what was measured, in a real browser: sorted, searched, ticked, read on a phone; and the folded parts of Verify."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from serving import settled

from core.config import Config
from core.desk import Desk
from core.types import Kind, Metrics, Mode

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
SCALE, TITLE = "31M", "<b>bold</b> & *stars*"


@pytest.fixture(scope="module")
def names(app) -> list[str]:
    """Sixty designs with their scores, the best first: gpt2 is the reference, one bears a title that is no HTML, the worst has no accuracy."""
    desk = Desk.open(Config.from_env({"DATA_DIR": str(app.data_dir)}))
    units = desk.store.proposals.newest("gpt2").units
    names = ["gpt2", *(f"own-{i}" for i in range(1, 60))]
    for i, design in enumerate(names):
        if i:
            desk.store.designs.add(design, TITLE if i == 1 else f"design {i}", Kind.AGENT, Mode.MUTATION, ["gpt2"], "tester", None, i, "")
            desk.store.implementations.add(design, "tester", f"# {i}", units)
        made = desk.store.implementations.newest(design)
        tasks = {} if i == 59 else {"minimal_pairs": {"acc": 0.9 - i / 100, "acc_stderr": 0.01, "chance": 0.5, "n": 100}}
        row = desk.store.verifications.start(design, made.id, SCALE, 0, "corpus", "hash", "", desk.scales[SCALE].settings)
        desk.store.verifications.finish(row.id, Metrics(2.0 + i / 100, 0.01, 3.0, 20.0, 3.1, 1000, 500.0, 2.0, 0.5, 1000 * (60 - i), 50, 4, 128, 64.0, tasks), {})
    desk.store.close()
    return names


def first_cells(table: Locator) -> list[str]:
    return table.locator("tbody tr td:nth-child(2)").all_inner_texts()


def test_it_is_sorted_searched_and_ticked_and_its_text_is_text(app, names: list[str], page: Page):
    page.goto(f"{app.url}/compare?scale={SCALE}")
    table = page.get_by_role("table", name=f"Results at {SCALE}")
    expect(table.get_by_role("row")).to_have_count(51, timeout=20_000)                # its head, and the first fifty
    assert first_cells(table) == names[:50]
    expect(table.get_by_text(TITLE, exact=True)).to_be_visible()
    expect(table.get_by_text("2.0000 ± 0.0100")).to_be_visible()

    page.get_by_role("button", name="Show 10 more of 60").click()
    assert first_cells(table) == names
    table.get_by_role("button", name="parameters").click()
    expect(table.get_by_role("columnheader", name="parameters")).to_have_attribute("aria-sort", "ascending")
    assert first_cells(table) == names[::-1]
    pairs = table.get_by_role("button", name="minimal pairs")
    for wanted in ([*names[-2::-1], names[-1]], names, names):               # up, down, as they came; what is not known is last either way
        pairs.press("Enter")
        assert first_cells(table) == wanted
    expect(table.get_by_role("columnheader", name="minimal pairs")).to_have_attribute("aria-sort", "none")

    page.get_by_label("Find in the table").fill("DESIGN 57")
    expect(table.get_by_role("row")).to_have_count(2)
    table.get_by_label("choose own-57").check()
    page.get_by_label("Find in the table").fill("gpt2")
    table.get_by_label("choose gpt2").press("Space")
    expect(page.get_by_role("button", name="Compare 2")).to_be_enabled(timeout=20_000)
    settled(page)
    expect(table.get_by_role("row")).to_have_count(2)                                     # the page has run again: what was searched for stands, and so does who was there
    expect(table.get_by_label("choose gpt2")).to_be_focused()
    page.get_by_label("Find in the table").fill("nothing has this")
    expect(page.get_by_text("No row has these words")).to_be_visible()
    page.get_by_role("button", name="Compare 2").click()
    expect(page).to_have_url(re.compile(r"report\?verifications=\d+(%2C|,)\d+"), timeout=20_000)


def test_of_a_long_table_the_rest_comes_when_it_is_asked_for(app, page: Page):
    desk = Desk.open(Config.from_env({"DATA_DIR": str(app.data_dir)}))
    units, scale = desk.store.proposals.newest("gpt2").units, "70M"
    for i in range(230):
        desk.store.designs.add(f"long-{i}", f"long {i}", Kind.AGENT, Mode.MUTATION, ["gpt2"], "tester", None, i, "")
        made = desk.store.implementations.add(f"long-{i}", "tester", f"# long {i}", units)
        row = desk.store.verifications.start(f"long-{i}", made.id, scale, 0, "corpus", "hash", "", desk.scales[scale].settings)
        desk.store.verifications.finish(row.id, Metrics(2.0 + i / 1000, 0.01, 3.0, 20.0, 3.1, 1000, 500.0, 2.0, 0.5, 1000 * (300 - i), 50, 4, 128, 64.0, {}), {})
    desk.store.close()
    page.goto(f"{app.url}/compare?scale={scale}")
    table = page.get_by_role("table", name=f"Results at {scale}")
    expect(table.get_by_role("row")).to_have_count(51, timeout=20_000)
    settled(page)
    more = page.get_by_role("button", name="Show 180 more of 230")
    table.get_by_role("button", name="parameters").press("Enter")       # the fewest are of the last row, which had not come
    expect(table.get_by_role("link", name="long-229")).to_be_visible(timeout=20_000)
    expect(table.get_by_role("button", name="parameters")).to_be_focused()
    assert first_cells(table)[:2] == ["long-229", "long-228"]
    page.reload()
    expect(table.get_by_role("row")).to_have_count(51, timeout=20_000)
    settled(page)
    page.get_by_label("Find in the table").fill("LONG 22")
    expect(table.get_by_role("row")).to_have_count(12, timeout=20_000)    # its head, 22 and 220 to 229
    page.get_by_label("Find in the table").fill("")
    more.click()
    expect(table.get_by_role("row")).to_have_count(231, timeout=20_000)
    assert first_cells(table) == [f"long-{i}" for i in range(230)]


def test_on_a_phone_it_moves_aside_and_leads_to_the_design(app, names: list[str], page: Page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{app.url}/compare?scale={SCALE}&designs=gpt2,own-2")
    table = page.get_by_role("table", name=f"Results at {SCALE}")
    expect(table.get_by_role("row")).to_have_count(3, timeout=20_000)
    expect(page.get_by_label("Find in the table")).to_be_hidden()                         # two rows are found by the eye
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    table.get_by_role("link", name="open").last.scroll_into_view_if_needed()
    expect(table.get_by_role("link", name="open").last).to_be_in_viewport()
    expect(table.get_by_role("link", name="own-2")).to_be_in_viewport()                   # whose row it is stays in sight
    page.evaluate("window.here = true")
    table.get_by_role("link", name="own-2").click()
    expect(page).to_have_url(re.compile("design=own-2"))
    expect(page.get_by_role("heading", name="design 2")).to_be_visible(timeout=20_000)
    assert page.evaluate("window.here")                                                   # nothing was loaded anew: what a visitor chose elsewhere is still theirs


def test_what_is_folded_on_verify_is_there_when_it_is_opened_and_keeps_what_was_chosen(app, names: list[str], page: Page):
    page.goto(f"{app.url}/verify?designs=gpt2")
    settled(page)
    page.get_by_text("Tasks and options").click()
    early = page.get_by_role("checkbox", name="Stop hopeless runs early")
    page.get_by_text("Stop hopeless runs early").click(timeout=20_000)
    expect(early).to_be_checked()
    settled(page)
    page.get_by_text("Tasks and options").click()
    expect(early).to_be_hidden()
    settled(page)
    page.get_by_text("Tasks and options").click()
    expect(early).to_be_checked(timeout=20_000)
    page.get_by_text(re.compile("^Budgets: .* left at nano")).click()
    expect(page.get_by_role("button", name="Set the budget")).to_be_visible(timeout=20_000)


def test_choices_on_verify_outlive_a_walk_to_other_pages_and_a_link_begins_anew(app, names: list[str], page: Page):
    page.goto(f"{app.url}/verify")
    settled(page)
    seeds = page.get_by_role("textbox", name="Seeds")
    seeds.fill("0-2")
    seeds.press("Enter")
    settled(page)
    page.locator("header").get_by_role("link", name="Compare").first.click()
    expect(page.get_by_role("button", name="More", exact=True).first).to_be_visible(timeout=20_000)
    settled(page)
    page.locator("header").get_by_role("link", name="Verify").first.click()
    expect(seeds).to_have_value("0-2", timeout=20_000)
    page.get_by_text("Grid of designs and scales").click()
    expect(seeds).to_have_value("0", timeout=20_000)                                      # the grid has seeds of its own
    settled(page)
    page.get_by_text("One by one").click()
    expect(seeds).to_have_value("0-2", timeout=20_000)
    page.goto(f"{app.url}/verify?designs=gpt2&seeds=7")
    expect(seeds).to_have_value("7", timeout=20_000)
