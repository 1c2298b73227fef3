"""The first tour, from its first button to a comparison with gpt2, in a real browser with a real worker that trains."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from serving import settled

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_tour_leads_a_newcomer_to_a_design_measured_against_gpt2(short_nano, app, page: Page):
    take_the_tour(page, app.url, training_ms=200_000)
    assert any(d["scores"] and d["kind"] == "agent" for d in app.designs())


def take_the_tour(page: Page, url: str, training_ms: int) -> None:
    """Only what the tour's own words say, step by step."""
    page.goto(url)
    page.get_by_role("button", name="Take the tour").click()
    bar = page.locator(".st-key-tour")
    expect(bar).to_contain_text("Step 1 of 6")
    settled(page)
    bar.get_by_role("button", name="Cross gpt2 and gla").click()
    expect(page.get_by_text("Crossover: join the units of several")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Proposals, best first")).to_be_visible(timeout=60_000)
    expect(bar).to_contain_text("Step 2 of 6")
    settled(page)
    page.get_by_role("button", name="Approve").first.click()
    expect(bar).to_contain_text("Step 3 of 6")
    settled(page)
    page.get_by_role("button", name="Implement the best 1").click()
    expect(bar).to_contain_text("Step 4 of 6", timeout=90_000)
    settled(page)
    bar.get_by_role("button", name="Verify gpt2").click()
    expect(bar).to_contain_text("Step 5 of 6")
    expect(page.get_by_text("Under way")).to_be_visible()
    expect(bar).to_contain_text("Step 6 of 6", timeout=training_ms)
    expect(bar).to_contain_text("bits per byte")
    settled(page)
    bar.get_by_role("button", name="See the comparison").click()
    expect(page.get_by_text("A gain counts from two standard deviations")).to_be_visible()
    bar.get_by_role("button", name="End the tour").click()
    expect(bar).to_have_count(0)
