"""A run in a real browser, with a real worker: start, decide at gates, step, pause, read what it brought. Scales of a second each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from serving import settled

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SCALES = """
nano: {n_layers: 2, d_model: 64, context: 64, vocab_size: 512, tokens: 10240, batch_tokens: 512, lr: 3.0e-3, tolerance: 0.2, eval_tokens: 2048, minutes: 0.1}
micro: {n_layers: 2, d_model: 96, context: 64, vocab_size: 512, tokens: 10240, batch_tokens: 512, lr: 2.0e-3, tolerance: 0.2, eval_tokens: 2048, minutes: 0.2}
"""


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The app and its worker read a ladder of two short scales."""
    path = tmp_path_factory.mktemp("ladder") / "scales.yaml"
    path.write_text(SCALES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALES_FILE", str(path))
        yield


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """A machine that trains beside the page answers late."""
    expect.set_options(timeout=20_000)
    yield
    expect.set_options(timeout=5_000)


def state(page: Page, name: str) -> None:
    expect(page.locator(".stMarkdownBadge", has_text=re.compile(f"{name}$")).first).to_be_visible(timeout=120_000)


def shown(app, run: str) -> dict:
    return json.loads(app.core("run", "show", run, "--json"))


def test_a_person_starts_a_run_decides_at_its_gates_steps_and_reads_the_report(tiny, app, page: Page):
    page.goto(f"{app.url}/evolve")
    expect(page.get_by_text("None yet. A run designs")).to_be_visible()
    for label, number in (("Design sessions", "2"), ("Verifications at nano", "3"), ("Verifications at micro", "0")):
        page.get_by_label(label, exact=True).fill(number)
        page.get_by_label(label, exact=True).press("Tab")
    expect(page.get_by_text("2 sessions, 2 proposals each, 3 verifications")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page).to_have_url(re.compile(r"run=run-\w+"), timeout=30_000)
    run = re.search(r"run=(run-\w+)", page.url).group(1)

    # The gate before implementing asks; what waits is told with its cost and the selector's reasons
    expect(page.get_by_text("Waits for you: 1").first).to_be_visible(timeout=120_000)
    expect(page.get_by_text("It costs nothing").first).to_be_visible()
    expect(page.get_by_text("What the selector thinks").first).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    state(page, "waiting")

    # A gate is switched while the run waits, and holds from now on
    gate = page.get_by_role("radiogroup", name="Before verifying at nano")
    gate.get_by_role("radio", name="ask", exact=True).click()
    expect(page.get_by_text("before verifying at nano: ask")).to_be_visible()
    assert shown(app, run)["gates"]["verify:nano"] == "ask"

    # Let through, it is written and checked; its verification asks in turn
    first = shown(app, run)["gated"][0]
    page.get_by_role("button", name="Let it through").first.click()
    expect(page.get_by_text(f"Verify {first['design']} at nano").first).to_be_visible(timeout=120_000)
    state(page, "waiting")

    # One step: exactly one act, and then it pauses
    expect(page.get_by_role("button", name="Pause")).to_be_enabled(timeout=60_000)      # what is let through would begin: who wants to judge more first, holds it
    page.get_by_role("button", name="Step").click()
    expect(page.get_by_text("one act, then it pauses").first).to_be_visible()
    settled(page)
    page.locator('[class*="st-key-gated-verify-nano"]', has_text=first["design"]).get_by_role("button", name="Let it through").first.click()
    state(page, "paused")
    assert [d["status"] for d in app.designs() if d["id"] == first["design"]] == ["verified"]

    # A reload shows the same; the report compares with the reference
    page.reload()
    state(page, "paused")
    page.get_by_text("The report: what it brought").click()
    expect(page.get_by_text(f"{first['design']} is its best at nano")).to_be_visible()
    expect(page.get_by_role("heading", name="The best against the reference")).to_be_visible()
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download as Markdown").click()
    assert taken.value.suggested_filename == f"{run}.md"

    # Every gate open, it ends by itself
    for step in ("Before implementing", "Before verifying at nano"):
        settled(page)
        page.get_by_role("radiogroup", name=step).get_by_role("radio", name="auto", exact=True).click()
        expect(page.get_by_text(f"{step.lower()}: auto")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Resume").click()
    state(page, "done")
    assert all(b["reserved"] == 0 for b in shown(app, run)["budgets"].values())

    # At a phone's width nothing is cut off
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    state(page, "done")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
