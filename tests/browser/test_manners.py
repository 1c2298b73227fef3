"""What a page owes its visitor: no link that others planted, nothing lost by a reload, all tabs in sight, and the colours of the theme at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from serving import settled

from core.config import Config
from core.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

HOSTILE = "look at http://evil.example/a and https://evil.example or www.evil.example or me@evil.example, " + "and so on and on " * 6
OUTSIDE = "() => [...document.querySelectorAll('a[href]')].map((a) => a.href).filter((h) => h.includes('evil') || h.startsWith('mailto:'))"


@pytest.fixture(scope="module")
def desk(app) -> Iterator[Desk]:
    desk = Desk.open(Config.from_env({"DATA_DIR": str(app.data_dir)}))
    yield desk
    desk.store.close()


def test_addresses_in_the_words_of_others_are_no_links(app, desk: Desk, page: Page):
    desk.guide(HOSTILE)
    page.goto(f"{app.url}/agents?tab=taught")
    expect(page.get_by_text("look at http").first).to_be_visible()
    settled(page)
    assert page.evaluate(OUTSIDE) == []


def test_a_reload_keeps_the_tour_and_its_end_is_kept_too(app, page: Page):
    page.goto(app.url)
    page.get_by_role("button", name="Take the tour").click()
    bar = page.locator(".st-key-tour")
    expect(bar).to_contain_text("Step 1 of 6")
    settled(page)
    page.reload()
    expect(bar).to_contain_text("Step 1 of 6")
    settled(page)
    bar.get_by_role("button", name="End the tour").click()
    expect(bar).to_have_count(0)
    settled(page)
    page.reload()
    expect(page.get_by_role("button", name="Take the tour")).to_be_visible()
    expect(bar).to_have_count(0)


def test_on_a_phone_all_tabs_of_a_design_are_in_sight(app, page: Page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{app.url}/design?design=gla")
    expect(page.get_by_role("tab").first).to_be_visible()
    settled(page)
    boxes = [tab.bounding_box() for tab in page.get_by_role("tab").all()]
    assert len(boxes) == 9
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)


def test_the_tree_takes_the_colours_of_a_new_theme_at_once(app, page: Page):
    page.goto(f"{app.url}/?design=llama")
    page.locator(".md-tree[data-drawn]").wait_for()
    settled(page)
    before = page.evaluate("() => document.querySelector('.md-base').toDataURL()")
    page.evaluate("() => document.querySelector('.md-tree').style.setProperty('--st-text-color', 'rgb(250, 1, 2)')")
    page.wait_for_function("(old) => document.querySelector('.md-base').toDataURL() !== old", arg=before, timeout=5_000)


@pytest.mark.parametrize("width", [390, 1440])
def test_a_long_standing_rule_is_read_whole_beside_its_toggle(app, desk: Desk, page: Page, width: int):
    rule = "Nothing that needs the whole sequence at once " * 5 + "to the end"
    if all(lesson.text != rule for lesson in desk.lessons()):
        desk.guide(rule)
    run = desk.evolve(0, {"nano": 1}, gate="ask").subject if not desk.runs() else desk.runs()[0].id
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{app.url}/evolve?run={run}")
    words = page.locator("[class*=st-key-standing-rule] p", has_text="to the end").last
    expect(words).to_be_visible(timeout=20_000)
    settled(page)
    box = words.bounding_box()
    assert 0 <= box["x"] <= box["x"] + box["width"] <= width
    assert box["height"] > 15
