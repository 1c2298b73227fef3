"""The pages behind the desk in a real browser, wide and narrow: an agent rewritten and put back, text of one's own made ready, a job stopped and tried again, the machine looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from serving import settled

from core.config import Config
from core.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def desk(app) -> Iterator[Desk]:
    desk = Desk.open(Config.from_env({"DATA_DIR": str(app.data_dir)}))
    yield desk
    for job in desk.queue.all(limit=100):
        desk.cancel(job.id)
    desk.store.close()


def test_an_agent_is_rewritten_a_mistake_keeps_what_was_typed_and_the_shipped_one_comes_back(app, desk: Desk, page: Page):
    page.set_viewport_size(WIDE)
    page.goto(f"{app.url}/agents?agent=reviewer")
    expect(page.get_by_text("as shipped")).to_be_visible()
    settled(page)
    spec = page.get_by_role("textbox", name="reviewer.yaml:")
    shipped = spec.input_value()
    spec.fill(f"{shipped}\nnonsense: 1\n")
    page.get_by_role("button", name="Save as my version").click()
    expect(page.get_by_text("nonsense").last).to_be_visible()             # the file, the line and the key
    expect(spec).to_have_value(f"{shipped}\nnonsense: 1\n")
    assert not desk.is_own("reviewer")
    spec.fill(f"{shipped}\n# stern\n")
    page.get_by_role("button", name="Save as my version").click()
    expect(page.get_by_text("your version", exact=True)).to_be_visible()
    assert desk.is_own("reviewer")
    page.get_by_role("tab", name="What it is told").click()
    page.get_by_text("Show them").click()
    expect(page.get_by_text("characters").first).to_be_visible()
    page.get_by_role("tab", name="Edit").click()
    page.get_by_role("button", name="Back to the shipped one").click()
    expect(page.get_by_text("as shipped")).to_be_visible()
    assert not desk.is_own("reviewer")


def test_text_of_ones_own_is_made_ready_and_found_on_a_phone(app, page: Page, tmp_path: Path):
    texts = tmp_path / "garden.txt"
    texts.write_text("\n\n".join(f"In row {n} the gardener plants {n % 7} beans, waters them, and writes it down." for n in range(40_000)))
    page.set_viewport_size(PHONE)
    page.goto(f"{app.url}/data")
    page.get_by_text("Text of your own, by its path").click()
    page.get_by_label("Path", exact=True).fill(str(tmp_path / "nowhere.txt"))
    page.get_by_label("Path", exact=True).press("Tab")
    page.get_by_role("button", name="Make ready").click()
    expect(page.get_by_text("nowhere.txt").last).to_be_visible()           # told, and nothing queued
    settled(page)
    page.get_by_label("Path", exact=True).fill(str(texts))
    page.get_by_label("Path", exact=True).press("Tab")
    settled(page)
    page.get_by_role("button", name="Make ready").click()
    expect(page.get_by_text("queued").first).to_be_visible()
    page.get_by_placeholder("a name, a licence, a source").fill("garden")
    page.get_by_placeholder("a name, a licence, a source").press("Enter")
    expect(page.get_by_role("link", name="garden.txt").first).to_be_visible(timeout=90_000)      # it stands there once it is ready
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("radio", name="Scales").or_(page.get_by_role("button", name="Scales", exact=True)).first.click()
    expect(page.get_by_role("figure", name="The scales").locator(".point").first).to_be_attached(timeout=30_000)


def test_a_job_is_stopped_tried_again_and_its_link_leads_to_it(app, desk: Desk, page: Page):
    job = desk.verify(["gpt2"], "nano")[0]
    page.set_viewport_size(WIDE)
    page.goto(f"{app.url}/jobs?job={job.id}")
    for _ in range(2):
        settled(page)
        page.get_by_role("button", name="Stop", exact=True).click()
        again = page.get_by_role("button", name="Try again")
        expect(again).to_be_visible(timeout=60_000)
        settled(page)
        again.click()
        expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible(timeout=20_000)      # of the new try: the page goes along
    page.goto(f"{app.url}/jobs?job={job.id}")
    expect(page.get_by_text("Tried again: job")).to_be_visible()
    page.get_by_text("Tried again: job").click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    page.get_by_text("Settings and result").click()
    expect(page.get_by_text("payload").first).to_be_visible()
    desk.cancel(desk.queue.newest(job.subject).id)


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_the_machine_is_looked_at(app, page: Page, size: dict[str, int]):
    page.set_viewport_size(size)
    page.goto(f"{app.url}/settings")
    settled(page)
    page.get_by_role("button", name="Check").first.click()
    expect(page.get_by_text("sandbox").first).to_be_visible(timeout=90_000)
    expect(page.get_by_text("looked at")).to_be_visible(timeout=90_000)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
