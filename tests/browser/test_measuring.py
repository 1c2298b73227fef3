"""Choosing what to measure and comparing it, in a real browser: cells of the grid, the queue, stop and resume, the leaderboard, a kept view, what is taken along."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from serving import settled

from core.config import Config
from core.desk import Desk
from core.types import Metrics

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def measured(app) -> Desk:
    """Three references at nano, two of them at micro."""
    desk = Desk.open(Config.from_env({"DATA_DIR": str(app.data_dir)}))
    for design, scale, score in (("gpt2", "nano", 2.4), ("llama", "nano", 2.3), ("gla", "nano", 2.5), ("gpt2", "micro", 2.0), ("llama", "micro", 1.95)):
        made = desk.store.implementations.newest(design)
        row = desk.store.verifications.start(design, made.id, scale, 0, "corpus", "hash", "", desk.scales[scale].settings)
        desk.store.verifications.finish(row.id, Metrics(score, 0.01, 3.0, 20.0, 3.1, 1000, 500.0, 2.0, 0.5, desk.costs(design)[scale].params, 50, 4, 128, 64.0, {}), {})
    yield desk
    for job in desk.queue.all(limit=100):
        desk.cancel(job.id)
    desk.store.close()


def cell(page: Page, design: str, scale: str) -> Locator:
    return page.get_by_role("gridcell", name=f"{design} at {scale}:")


def ticked(page: Page) -> set[str]:
    return {name.partition(":")[0] for name in page.locator("[role=gridcell][aria-selected=true]").evaluate_all("cells => cells.map((c) => c.getAttribute('aria-label'))")}


def test_a_chart_follows_the_theme_the_width_and_what_is_shown(app, measured: Desk, page: Page):
    page.goto(f"{app.url}/compare?scale=nano&part=Pareto+front")
    chart = page.get_by_role("figure", name="Bits per byte against")
    expect(chart.locator(".point").first).to_be_visible(timeout=30_000)
    title = chart.locator(".ytitle")
    before = title.evaluate("e => getComputedStyle(e).fill")
    page.emulate_media(color_scheme="dark")
    page.reload()
    expect(chart.locator(".point").first).to_be_visible(timeout=30_000)
    assert title.evaluate("e => getComputedStyle(e).fill") != before
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_function("() => { const c = document.querySelector('.md-chart .main-svg'); return c && c.getBoundingClientRect().right <= innerWidth; }")
    settled(page)
    box = chart.locator(".point").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)      # plotly's own layer takes the pointer
    expect(chart.locator(".hoverlayer text").first).to_be_visible()


def test_a_chart_below_the_fold_is_drawn_when_it_comes_into_sight_or_the_page_has_rested(app, measured: Desk, page: Page):
    page.route("**/plotly-basic*", lambda route: route.abort())
    page.goto(f"{app.url}/compare?scale=nano&part=Pareto+front")
    expect(page.get_by_text("This chart could not be drawn")).to_be_visible(timeout=30_000)
    page.unroute("**/plotly-basic*")
    page.set_viewport_size({"width": 1440, "height": 400})
    page.goto(f"{app.url}/compare?scale=nano")
    chart = page.get_by_role("figure", name="Bits per byte of each design")
    expect(chart.locator(".point").first).to_be_attached(timeout=30_000)
    assert chart.locator(".point").count() == 3


def test_a_cell_of_the_grid_is_verified_put_first_stopped_and_resumed(app, measured: Desk, page: Page):
    page.goto(f"{app.url}/verify?way=grid")
    expect(page.get_by_text("Nothing is ticked")).to_be_visible()
    cell(page, "gla", "micro").click()
    expect(page.get_by_role("button", name="Verify 1")).to_be_visible()
    expect(page.get_by_text(re.compile("about .* afterwards .* left at"))).to_be_visible()
    page.get_by_role("button", name="Verify 1").click()
    expect(page.get_by_role("button", name="Stop").first).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Stop").first.click()
    expect(page.get_by_role("button", name="Resume").first).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Resume").first.click()
    expect(page.get_by_role("button", name="Stop").first).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Stop").first.click()
    expect(page.get_by_role("button", name="Resume").first).to_be_visible(timeout=60_000)


def test_cells_are_ticked_by_a_drag_a_head_and_the_keys(app, measured: Desk, page: Page):
    page.goto(f"{app.url}/verify?way=grid")
    expect(page.get_by_text("Nothing is ticked")).to_be_visible()
    expect(cell(page, "llama", "nano")).to_have_text("✓ 2.3000 (1)")
    settled(page)
    rows = page.locator(".md-cells .md-who button").all_inner_texts()
    page.mouse.move(*middle(cell(page, rows[0], "nano")))
    page.mouse.down()
    page.mouse.move(*middle(cell(page, rows[1], "micro")), steps=6)
    page.mouse.up()
    assert ticked(page) == {f"{row} at {scale}" for row in rows[:2] for scale in ("nano", "micro")}
    cell(page, rows[0], "nano").click()
    assert f"{rows[0]} at nano" not in ticked(page)
    page.get_by_role("button", name=rows[3], exact=True).click()
    assert {f"{rows[3]} at {scale}" for scale in ("nano", "micro", "14M")} < ticked(page)
    cell(page, rows[0], "nano").focus()
    page.keyboard.press("Escape")
    assert not ticked(page)
    settled(page)
    expect(page.get_by_text("Nothing is ticked")).to_be_visible()
    cell(page, rows[2], "micro").evaluate("c => c.click()")              # as a screen reader presses it
    assert ticked(page) == {f"{rows[2]} at micro"}


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent").partition(":")[0].partition(",")[0]


def test_the_grid_is_one_stop_for_tab_and_its_keys_tick(app, measured: Desk, page: Page):
    page.goto(f"{app.url}/verify?way=grid")
    expect(cell(page, "llama", "nano")).to_be_visible()
    settled(page)
    rows = page.locator(".md-cells .md-who button").all_inner_texts()
    cell(page, rows[1], "nano").focus()
    for key, there in (("ArrowLeft", desk_title(measured, rows[1])), ("ArrowLeft", rows[1]), ("End", rows[1]), ("Home", rows[1]), ("ArrowRight", desk_title(measured, rows[1])), ("ArrowRight", rows[1])):
        page.keyboard.press(key)
        assert focused(page).startswith(there), key
    page.keyboard.press("Space")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(f"Shift+{key}")
    assert ticked(page) == {f"{rows[1]} at nano", f"{rows[1]} at micro"}, "what was walked back over is let go"
    expect(page.get_by_text("Nothing is ticked")).to_have_count(0)
    settled(page)
    assert focused(page).startswith(f"{rows[1]}"), "the page ran again, and the hand is where it was"
    page.keyboard.press("Tab")
    assert not page.evaluate("document.querySelector('.md-cells').contains(document.activeElement)")
    page.get_by_label("Search").fill(rows[3])
    page.get_by_label("Search").press("Enter")
    expect(page.get_by_text("2 ticked cells are not in sight")).to_be_visible()
    expect(page.get_by_text("Nothing is ticked")).to_be_visible()
    cell(page, rows[3], "nano").focus()
    page.keyboard.press("Shift+ArrowRight")           # where it began is not there any more
    assert ticked(page) == {f"{rows[3]} at nano", f"{rows[3]} at micro"}
    page.get_by_label("Search").fill("nobody at all")
    page.get_by_label("Search").press("Enter")
    expect(page.get_by_text("No design with checked code fits")).to_be_visible()
    page.get_by_label("Search").fill("")
    page.get_by_label("Search").press("Enter")
    expect(cell(page, rows[1], "nano")).to_have_attribute("aria-selected", "true")
    page.locator(".md-cells a").filter(has_text=desk_title(measured, rows[3])).first.click()
    expect(page).to_have_url(f"{app.url}/design?design={rows[3]}", timeout=20_000)


def desk_title(desk: Desk, design: str) -> str:
    return desk.store.designs.get(design).title


def test_on_a_phone_a_row_has_its_title_and_a_tap_ticks(app, measured: Desk, browser: Browser):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{app.url}/verify?way=grid")
    expect(page.locator(".md-cells").get_by_text("GPT-2")).to_be_visible()
    settled(page)
    cell(page, "gpt2", "nano").tap()
    assert ticked(page) == {"gpt2 at nano"}
    cell(page, "gpt2", "micro").focus()
    page.keyboard.press("ArrowLeft")
    room = page.evaluate("() => { const c = document.activeElement.getBoundingClientRect(), h = document.querySelector('.md-cells tbody th').getBoundingClientRect(); return c.left - h.right; }")
    assert room >= -1, "the cell is not under its row's name"
    context.close()


def test_a_popover_that_is_opened_by_keyboard_has_the_hand(app, page: Page):
    page.goto(app.url)
    expect(page.get_by_role("button", name="Colour")).to_be_visible(timeout=20_000)
    settled(page)
    page.get_by_role("button", name="Colour").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.type === 'radio' && document.activeElement.checked")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Colour: by author")).to_be_visible(timeout=20_000)
    settled(page)
    expect(page.get_by_role("radio", name="by author")).to_be_focused()


def middle(place: Locator) -> tuple[float, float]:
    box = place.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("width", [1440, 390])
def test_the_leaderboard_changes_its_reference_and_a_view_is_kept_and_opened(app, measured: Desk, page: Page, width: int):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{app.url}/compare?scale=nano&designs=gpt2,llama")
    expect(page.get_by_role("table", name="Results at nano")).to_be_visible()
    for part in ("Curves", "Ladder", "Pareto front", "Code", "Table"):
        page.get_by_role("radio", name=part).or_(page.get_by_role("button", name=part, exact=True)).first.click()
        expect(page).to_have_url(re.compile("part=" + part.replace(" ", r"(%20|\+)") if part != "Table" else "^((?!part=).)*$"))       # what is usual needs no word
    page.goto(f"{app.url}/compare?scale=nano&reference=llama&part=Pareto+front")
    expect(page.get_by_text("On the front, cheapest first")).to_be_visible()
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Keep what I see as").fill(f"view {width}")
    page.get_by_label("Keep what I see as").press("Tab")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("kept", exact=True).first).to_be_visible()
    page.goto(f"{app.url}/compare")
    page.get_by_role("button", name="Views").click()
    page.get_by_text(f"view {width}").click()
    expect(page).to_have_url(re.compile("reference=llama"))
    expect(page.get_by_text("On the front, cheapest first")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 390])
def test_a_report_says_whether_it_is_better_and_is_taken_along(app, measured: Desk, page: Page, width: int):
    row = next(v for v in measured.store.verifications.all("nano") if v.design_id == "llama")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{app.url}/report")
    page.get_by_role("link", name=re.compile(f"^.*{row.id}: llama")).first.click()          # an empty page offers the newest
    expect(page.get_by_text("Better than gpt2?")).to_be_visible(timeout=30_000)
    expect(page).to_have_url(re.compile(f"verifications={row.id}"))
    settled(page)
    with page.expect_download() as taken:
        page.get_by_role("button", name="JSON").click()
    told = json.loads(taken.value.path().read_text())
    assert (told["verification"], told["score"]["bits_per_byte"]) == (row.id, 2.3)
    with page.expect_download() as taken:
        page.get_by_role("button", name="HTML").click()
    assert "llama" in taken.value.path().read_text()
    page.goto(f"{app.url}/report?verifications={row.id}&reference=gla")
    expect(page.get_by_text("Better than gla?")).to_be_visible(timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_design_is_taken_along_as_markdown_and_as_a_site(app, measured: Desk, page: Page):
    page.goto(f"{app.url}/design?design=gla")
    page.get_by_role("tab", name="Take along").click()
    for name, words in (("Markdown", b"# Gated linear attention"), ("BibTeX", b"2312.06635"), ("Standalone", b"class GAB")):
        with page.expect_download() as taken:
            page.get_by_role("button", name=name).click()
        assert words in taken.value.path().read_bytes()
    with page.expect_download() as taken:
        page.get_by_role("button", name="The whole tree").click()
    assert taken.value.path().read_bytes()[:2] == b"PK"
