"""People of a team at one app, in real browsers: the door, a reload, roles that are heard at once, and the way out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from serving import serving

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORDS = {"ada": "the admin's own words", "vera": "the viewer's own words"}

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """`python -m core …` with sign-in on."""
    data = tmp_path_factory.mktemp("team")
    env = {**os.environ, "DATA_DIR": str(data), "CKPT_DIR": str(data / "ckpt"), "SIGN_IN": "on"}

    def run(*args: str, typed: str = "") -> str:
        done = subprocess.run([sys.executable, "-m", "core", *args], cwd=ROOT, env=env, input=typed, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.env = env
    return run


@pytest.fixture(scope="module")
def team(core: Callable[..., str]) -> Iterator[str]:
    """The app's address."""
    core("users", "add", "ada", "--role", "admin", "--stdin", typed=PASSWORDS["ada"])
    core("users", "add", "vera", "--stdin", typed=PASSWORDS["vera"])
    with serving(core.env) as url:
        yield url


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[], Page]]:
    """A browser of one's own, with its own cookies."""
    opened = []

    def new() -> Page:
        opened.append(browser.new_context(viewport={"width": 1440, "height": 900}))
        page = opened[-1].new_page()
        page.set_default_timeout(20_000)
        return page

    yield new
    for context in opened:
        context.close()


def enter(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_viewer_comes_in_looks_is_refused_becomes_a_reviewer_and_is_removed(team: str, core, visit):
    expect.set_options(timeout=20_000)
    vera, ada = visit(), visit()
    vera.goto(f"{team}/data?corpus=python_docs")
    expect(vera.get_by_label("Password", exact=True)).to_be_visible()
    expect(vera.get_by_text("Python's own documentation")).to_have_count(0)
    enter(vera, "vera", "not the words")
    expect(vera.get_by_text("this name with this password is not known")).to_be_visible()
    enter(vera, "vera", PASSWORDS["vera"])
    expect(vera.get_by_text("Python's own documentation")).to_be_visible()          # where the link led
    expect(vera.get_by_role("button", name="vera")).to_be_visible()
    vera.wait_for_function("document.cookie.includes('model_discovery')")        # its script comes with the page, and may run after it
    cookie = next(c for c in vera.context.cookies() if c["name"].startswith("model_discovery"))
    assert cookie["sameSite"] == "Strict"

    vera.reload()
    expect(vera.get_by_text("Python's own documentation")).to_be_visible()
    expect(vera.get_by_role("button", name="Make ready").first).to_be_disabled()
    vera.locator(".st-key-one-go").hover()
    expect(vera.get_by_role("tooltip").get_by_text("viewers may look")).to_be_visible()
    assert json.loads(core("jobs", "--json")) == []

    ada.goto(f"{team}/settings")
    enter(ada, "ada", PASSWORDS["ada"])
    ada.locator(".st-key-user-vera").get_by_role("combobox").click()
    ada.get_by_role("option", name="reviewer").click()
    expect(ada.get_by_text("vera is reviewer now")).to_be_visible()
    vera.reload()
    vera.get_by_role("button", name="Make ready").click()
    expect(vera.get_by_text("queued", exact=True)).to_be_visible()
    assert [j["kind"] for j in json.loads(core("jobs", "--json"))] == ["data"]

    ada.locator(".st-key-user-vera").get_by_role("button", name="Change").click()
    ada.get_by_role("button", name="Remove").click()
    expect(ada.get_by_text("vera was removed")).to_be_visible()
    vera.reload()
    expect(vera.get_by_label("Password", exact=True)).to_be_visible()

    ada.get_by_role("button", name="ada").click()
    ada.get_by_role("button", name="Sign out").click()
    expect(ada.get_by_label("Password", exact=True)).to_be_visible()
    ada.reload()
    expect(ada.get_by_label("Password", exact=True)).to_be_visible()
    assert not [c for c in ada.context.cookies() if c["name"].startswith("model_discovery")]


def test_an_admin_adds_somebody_who_comes_in_and_takes_a_password_of_their_own(team: str, core, visit):
    expect.set_options(timeout=20_000)
    ada, rob = visit(), visit()
    ada.goto(f"{team}/settings")
    enter(ada, "ada", PASSWORDS["ada"])
    ada.get_by_role("button", name="Add", exact=True).first.click()
    form = ada.get_by_test_id("stForm").filter(has_text="Role")
    form.get_by_label("Name").fill("rob")
    form.get_by_label("Password", exact=True).fill("short")
    form.get_by_role("button", name="Add").click()
    expect(ada.get_by_text("the password has 5 characters")).to_be_visible()
    expect(form.get_by_label("Name")).to_have_value("rob")            # what was typed stays
    form.get_by_label("Password", exact=True).fill("words from the admin")
    form.get_by_role("button", name="Add").click()
    expect(ada.get_by_text("rob may sign in")).to_be_visible()
    expect(ada.locator(".st-key-user-rob")).to_be_visible()

    rob.goto(f"{team}/settings")
    enter(rob, "rob", "words from the admin")
    expect(rob.get_by_text("rob, viewer")).to_be_visible()
    expect(rob.get_by_role("heading", name="Users")).to_have_count(0)
    rob.get_by_text("Change your password").click()
    for label, word in (("The present one", "words from the admin"), ("A new one", "words of my own"), ("Again", "words of my own")):
        rob.get_by_label(label, exact=True).fill(word)
    rob.get_by_role("button", name="Change", exact=True).click()
    expect(rob.get_by_text("your other browsers have to sign in again")).to_be_visible()
    rob.reload()
    expect(rob.get_by_text("rob, viewer")).to_be_visible()            # this browser stays signed in
    again = visit()
    again.goto(team)
    enter(again, "rob", "words from the admin")
    expect(again.get_by_text("this name with this password is not known")).to_be_visible()
    enter(again, "rob", "words of my own")
    expect(again.get_by_role("button", name="rob")).to_be_visible()
