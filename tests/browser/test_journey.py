"""A newcomer's way through the app, in a real browser, with a real worker that really trains."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect
from serving import settled

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_from_two_parents_on_the_tree_to_a_verified_node(short_nano, app, page: Page, click_node):
    # Two parents on the tree
    page.goto(app.url)
    expect(page.get_by_text("Start here")).to_be_visible()
    click_node(page, "gpt2")
    expect(page.get_by_role("heading", name="GPT-2")).to_be_visible()
    expect(page).to_have_url(re.compile("design=gpt2"))
    page.get_by_role("button", name="Choose", exact=True).click()
    expect(page.get_by_text("Chosen: gpt2")).to_be_visible()
    click_node(page, "llama", "Shift")  # shown, and chosen too
    expect(page.get_by_role("heading", name="Llama")).to_be_visible()
    expect(page.get_by_text("Chosen: gpt2, llama")).to_be_visible()
    page.get_by_role("button", name="Crossover").click()

    # A crossover session, its dialog
    expect(page.get_by_text("Crossover: join the units of several")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("I am the built-in genetic designer").first).to_be_visible()
    expect(page.get_by_text("I am the built-in rule-based reviewer").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Waiting for you")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Proposals, best first")).to_be_visible(timeout=30_000)
    session = re.search(r"session=(\w+)", page.url).group(1)

    # Edit the best, approve it
    settled(page)
    page.locator("summary", has_text="Edit").first.click()
    page.get_by_label("Title").first.fill("My crossover")
    page.get_by_label("Title").first.press("Tab")
    settled(page)
    page.get_by_role("button", name="Save as a new revision").first.click()
    expect(page.get_by_text("1. My crossover")).to_be_visible()
    expect(page.get_by_text("revision 2 by you").first).to_be_visible()
    settled(page)             # what is saved moves the buttons below it
    page.get_by_role("button", name="Approve").first.click()
    expect(page.get_by_role("button", name="Undo: approved")).to_be_visible()

    # A reload shows the same
    page.reload()
    expect(page.get_by_text("1. My crossover")).to_be_visible()
    expect(page.get_by_role("button", name="Undo: approved")).to_be_visible()

    # Implement the best
    page.get_by_role("button", name="Implement the best 1").click()
    expect(page.get_by_text("Closed").first).to_be_visible(timeout=60_000)
    best = next(d for d in app.designs() if d["title"] == "My crossover")
    assert best["status"] == "implemented"
    assert best["session_id"] == session

    # Verify it at nano
    page.goto(f"{app.url}/verify?designs={best['id']}")
    expect(page.get_by_text("budget after")).to_be_visible()
    page.get_by_role("button", name="Verify 1").click()
    expect(page.get_by_text(re.compile(r"step \d+ of")).first).to_be_visible(timeout=90_000)
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("A gain counts from")).to_be_visible(timeout=900_000)
    done = next(d for d in app.designs() if d["id"] == best["id"])
    assert done["status"] == "verified"

    # The node is coloured, and bears its score
    page.goto(f"{app.url}/?design={best['id']}")
    expect(page.get_by_text(f"{done['scores']['nano']:.4f}")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    colours = page.evaluate("""(id) => document.querySelector('.js-plotly-plot').data
        .filter(t => (t.customdata || []).some(c => c[0] === id)).map(t => [t.name, t.marker.color])""", best["id"])
    assert colours == [["verified", "#009E73"]]

    # Its report: said plainly, and taken along as one file
    number = json.loads(app.core("show", best["id"], "--json"))["verifications"][-1]["id"]
    page.goto(f"{app.url}/report?verifications={number}")
    expect(page.get_by_text("gpt2 was not verified at nano")).to_be_visible()
    expect(page.get_by_role("heading", name="Made with")).to_be_visible()
    with page.expect_download() as taken:
        page.get_by_role("button", name="HTML", exact=True).click()
    assert "https://" not in taken.value.path().read_text()
