"""The browser's address: steps back, reloads, open tabs, the tree by its name."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect
from serving import settled

from core.config import Config
from core.desk import Desk
from core.types import JobKind

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


def walk(page: Page, name: str) -> None:
    page.locator("header").get_by_role("link", name=name).first.click()
    page.wait_for_url(re.compile(rf"/{'' if name == 'Tree' else name.lower()}(\?.*)?$"), timeout=20_000)
    settled(page)


def open_tab(page: Page) -> str:
    settled(page)
    return page.get_by_role("tab", selected=True).first.inner_text()


def test_a_step_back_leads_to_what_was_open_whatever_page_came_between(app, page: Page):
    page.goto(f"{app.url}/design?design=gpt2")
    expect(page.get_by_role("heading", name="GPT-2")).to_be_visible(timeout=20_000)
    settled(page)
    for name in ("Compare", "Verify", "Evolve"):
        walk(page, name)
    for name in ("verify", "compare"):
        page.go_back()
        expect(page).to_have_url(f"{app.url}/{name}", timeout=20_000)
        settled(page)
    page.go_back()
    expect(page).to_have_url(f"{app.url}/design?design=gpt2", timeout=20_000)
    expect(page.get_by_role("heading", name="GPT-2")).to_be_visible(timeout=20_000)


def test_the_open_tab_of_a_design_is_in_the_address(app, page: Page):
    page.goto(f"{app.url}/design?design=gpt2")
    settled(page)
    assert open_tab(page) == "Proposal"
    for name in ("Costs", "Code"):
        page.get_by_role("tab", name=name).click()
        expect(page).to_have_url(f"{app.url}/design?design=gpt2&section={name}", timeout=20_000)
        settled(page)
    page.reload()
    assert open_tab(page) == "Code"
    page.go_back()
    expect(page).to_have_url(f"{app.url}/design?design=gpt2&section=Costs", timeout=20_000)
    expect(page.get_by_role("tab", name="Costs")).to_have_attribute("aria-selected", "true", timeout=20_000)


def test_a_reload_stays_in_the_grid_and_a_step_back_leaves_it(app, page: Page):
    page.goto(f"{app.url}/verify")
    settled(page)
    page.get_by_text("Grid of designs and scales").click()
    expect(page).to_have_url(f"{app.url}/verify?way=grid", timeout=20_000)
    settled(page)
    page.reload()
    expect(page.get_by_role("textbox", name="Search")).to_be_visible(timeout=20_000)
    settled(page)
    page.go_back()
    expect(page.get_by_role("heading", name="New verification")).to_be_visible(timeout=20_000)


def test_the_tree_is_found_by_its_name_and_a_reload_there_stays_while_something_waits(app, page: Page):
    page.goto(f"{app.url}/tree?design=gla")
    expect(page.get_by_role("heading", name="Gated linear attention")).to_be_visible(timeout=20_000)
    assert page.url == f"{app.url}/?design=gla"

    desk = Desk.open(Config.from_env({"DATA_DIR": str(app.data_dir)}))
    session = desk.start_session(["gpt2"], gate="ask", enqueue=False)
    job = desk.queue.put(JobKind.SESSION, f"session:{session.id}", {"session": session.id}, priority=-1000)
    try:
        page.goto(app.url)
        page.wait_for_url("**/inbox", timeout=20_000)                   # a run is on: the Inbox is the home page
        settled(page)
        walk(page, "Tree")
        page.wait_for_function("document.cookie.includes('model_discovery_tree')", timeout=20_000)
        page.reload()
        settled(page)
        assert page.url == f"{app.url}/"
    finally:
        desk.queue.cancel(job.id)
        desk.store.close()


def test_a_page_connects_without_asking_for_the_server_under_its_own_name(app, page: Page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(app.url)))
    held: list[Route] = []
    page.route("**/_stcore/health", lambda route: held.append(route))
    page.goto(f"{app.url}/design?design=gpt2")
    expect(page.get_by_role("heading", name="GPT-2")).to_be_visible(timeout=20_000)
    settled(page)
    assert not [url for url in asked if url.startswith("/design/")], "nothing of the server is below a page"
    assert held, "its pings were not answered, and it did not wait for them"
    with page.expect_response("**/_stcore/health"):
        held[0].continue_()
    assert page.evaluate("document.cookie").count("_streamlit_xsrf=") == 1, "which bring the token against forged requests"
