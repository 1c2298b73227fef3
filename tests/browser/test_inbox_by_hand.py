"""The inbox in a real browser: deciding by keys, in batches, and two people at once; wide and narrow."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect
from serving import settled

from core.config import Config
from core.desk import Desk, Waits
from core.types import Verb

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def desk(app) -> Iterator[Desk]:
    """The app's own data, read beside it."""
    desk = Desk.open(Config.from_env({"DATA_DIR": str(app.data_dir)}))
    yield desk
    desk.store.close()


@pytest.fixture(scope="module")
def proposed(desk: Desk) -> list[str]:
    """Six proposals of two sessions, which the app's worker makes."""
    for parents in (["gpt2", "llama"], ["mamba2"]):
        desk.start_session(parents, n_proposals=3)
    deadline = time.monotonic() + 60
    while desk.inbox().counts().get(Waits.SESSION, 0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return [i.design for i in desk.inbox().items if i.key.startswith("proposal:")]


def statuses(desk: Desk) -> dict[str, str]:
    return {d.id: str(d.status) for d in desk.store.designs.all()}


CONNECTED = """() => document.querySelector('[data-testid="stApp"]').getAttribute('data-test-connection-state') === 'CONNECTED'"""


def waiting(desk: Desk) -> set[str]:
    """Proposals that nobody has judged."""
    return {d for d, s in statuses(desk).items() if s == "proposed"}


def shown(page: Page, design: str) -> None:
    expect(page.get_by_text(re.compile(rf"^{design} ·")).first).to_be_visible()
    page.wait_for_selector("html[data-keys]", state="attached")
    settled(page)


def test_a_morning_by_keys_alone(app, desk: Desk, proposed, page: Page):
    first, second, third, *_ = proposed
    page.goto(app.url)                                       # something waits: the bare address leads here
    expect(page).to_have_url(re.compile("/inbox"))
    shown(page, first)
    expect(page.get_by_role("button", name=re.compile("^Approve · no calls, ~"))).to_be_visible()
    page.keyboard.press("3")                                 # a forecast is one key
    expect(page.get_by_text(f"30 % that {first} beats gpt2 at nano")).to_be_visible()
    page.keyboard.press("r")                                 # the field is ready to type in; what is typed are no commands
    expect(page.get_by_label("Why?")).to_be_focused()
    page.keyboard.type("carries a lot")
    page.keyboard.press("Enter")
    shown(page, second)
    page.keyboard.press("u")
    expect(page.get_by_text("taken back").first).to_be_visible()
    shown(page, first)                                       # what was taken back is open again
    page.keyboard.press("n")
    shown(page, second)
    page.keyboard.press("a")
    shown(page, third)
    page.keyboard.press("c")
    page.get_by_label("Comment", exact=True).fill("see the paper")
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"commented on {third}").first).to_be_visible()
    made = {(r.decision.verb, r.decision.design_id): r for r in desk.recent()}
    assert made["forecast", first].decision.data["probability"] == 0.3
    assert made["refuse", first].undone_by == "you"
    assert made["refuse", first].decision.reason == "carries a lot"
    assert made["comment", third].decision.reason == "see the paper"
    now = statuses(desk)
    assert now[first] == "proposed"
    assert now[second] in ("approved", "implemented", "failed")   # the worker writes its code
    page.goto(f"{app.url}/?design=gpt2")
    expect(page.get_by_role("heading", name="GPT-2")).to_be_visible()   # a link is never led astray


def test_a_double_press_decides_once_and_nothing_unseen(app, desk: Desk, proposed, page: Page):
    first = next(d for d, s in statuses(desk).items() if d in proposed and s == "proposed")
    page.goto(f"{app.url}/inbox?item=proposal:{first}")
    shown(page, first)
    before, said = waiting(desk), len(desk.store.decisions.all())
    page.keyboard.press("r")
    page.get_by_label("Why?").fill("twice")
    page.get_by_role("button", name="Refuse", exact=True).last.dblclick()
    expect(page.get_by_text(f"{first} refused").first).to_be_visible()
    settled(page)
    assert waiting(desk) == before - {first}
    assert [d.reason for d in desk.store.decisions.all()[said:]] == ["twice"]


def test_half_a_reason_outlives_a_reload_other_panels_and_who_decides_meanwhile(app, desk: Desk, proposed, page: Page):
    design = next(d for d in proposed if d in waiting(desk))
    job = desk.verify(["gpt2"], "nano")[0]                   # while something runs the inbox looks for what is new
    page.goto(f"{app.url}/inbox?item=proposal:{design}")
    shown(page, design)
    page.keyboard.press("c")
    comment, why = page.get_by_label("Comment", exact=True), page.get_by_label("Why?")
    comment.fill("another thought")
    page.get_by_role("button", name="Refuse", exact=True).first.click()
    why.fill("too")
    page.reload()
    shown(page, design)
    page.keyboard.press("c")
    expect(comment).to_have_value("another thought")
    settled(page)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("stMarkdown").get_by_text("another thought")).to_be_visible(timeout=20_000)
    assert "another thought" in [d.reason for d in desk.store.decisions.of(design) if d.verb is Verb.COMMENT]
    expect(comment).to_have_count(0)
    settled(page)
    page.keyboard.press("c")
    expect(comment).to_have_value("")                        # what was sent is no draft any more
    page.keyboard.press("Escape")
    expect(comment).to_have_count(0)
    settled(page)
    page.keyboard.press("r")
    expect(why).to_have_value("too")
    expect(why).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.type(" clo")
    boris = Desk.open(desk.config, "boris")
    boris.approve(design)
    expect(page.get_by_text("boris approved it meanwhile").or_(page.get_by_text("meanwhile")).first).to_be_visible()
    page.keyboard.type("se, says an na")                     # a and n are letters here, whatever was drawn anew
    expect(why).to_have_value("too close, says an na")
    assert [d.author for d in desk.store.decisions.of(design) if d.verb is Verb.APPROVE] == ["boris"]
    desk.cancel(job.id)
    boris.store.close()


class Line:
    """The connection between a page and its server, which can be lost and come back."""

    def __init__(self, page: Page) -> None:
        self.lost = False
        self._ends: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("_stcore/stream"), self._opened)

    def _opened(self, end: WebSocketRoute) -> None:
        if self.lost:
            end.close()
            return
        self._ends = [end, end.connect_to_server()]

    def cut(self) -> None:
        self.lost = True
        for end in self._ends:
            end.close()


def test_a_lost_connection_loses_no_word(app, desk: Desk, proposed, page: Page):
    design = next(d for d in proposed if d in waiting(desk))

    def comments() -> list[str]:
        return [d.reason for d in desk.store.decisions.of(design) if d.verb is Verb.COMMENT]

    before, line = comments(), Line(page)
    page.goto(f"{app.url}/inbox?item=proposal:{design}")
    shown(page, design)
    page.keyboard.press("c")
    page.get_by_label("Comment", exact=True).fill("said before it broke")
    line.cut()
    page.wait_for_function(CONNECTED.replace("===", "!=="))
    page.keyboard.press("Enter")                                  # into the void
    page.wait_for_timeout(1500)
    assert comments() == before
    line.lost = False
    page.wait_for_function(CONNECTED, timeout=60_000)
    settled(page)
    if comments() == before:                                      # what was pressed meanwhile need not be sent, but what was typed is there
        expect(page.get_by_label("Comment", exact=True)).to_have_value("said before it broke")
        page.get_by_label("Comment", exact=True).press("Enter")
    deadline = time.monotonic() + 20
    while comments() == before and time.monotonic() < deadline:
        page.wait_for_timeout(200)
    assert comments() == [*before, "said before it broke"]


def test_another_view_has_its_own_keys_at_once(app, desk: Desk, proposed, page: Page):
    def said(verb: Verb) -> int:
        return len(desk.store.decisions.by_verb(verb))

    def heard(keys: str) -> None:
        page.wait_for_function("keys => document.documentElement.dataset.keys === keys", arg=keys)
        settled(page)

    design = next(d for d, s in statuses(desk).items() if d in proposed and s == "proposed")
    page.goto(f"{app.url}/inbox?item=proposal:{design}")
    shown(page, design)
    one = page.evaluate("document.documentElement.dataset.keys")
    page.get_by_text("Side by side", exact=True).click()
    expect(page.get_by_role("button", name="This one (1)")).to_be_visible()
    heard("123nu")
    preferred, forecasts = said(Verb.PREFER), said(Verb.FORECAST)
    page.keyboard.press("1")
    expect(page.get_by_text(" rather than ").first).to_be_visible()
    assert (said(Verb.PREFER), said(Verb.FORECAST)) == (preferred + 1, forecasts)
    page.get_by_text("One at a time", exact=True).click()
    shown(page, design)
    heard(one)
    page.keyboard.press("4")
    expect(page.get_by_text(f"40 % that {design} beats gpt2 at nano")).to_be_visible()
    assert (said(Verb.PREFER), said(Verb.FORECAST)) == (preferred + 1, forecasts + 1)


def test_two_people_decide_the_same_and_the_second_loses_no_word(app, desk: Desk, proposed, browser: Browser):
    design = next(d for d, s in statuses(desk).items() if d in proposed and s == "proposed")
    contexts = [browser.new_context(viewport={"width": 1280, "height": 900}) for _ in range(2)]
    ada, bob = (c.new_page() for c in contexts)
    for page in (ada, bob):
        page.set_default_timeout(20_000)
        page.goto(f"{app.url}/inbox?item=proposal:{design}")
        shown(page, design)
        page.keyboard.press("r")
        page.get_by_label("Why?").fill(f"words of {'ada' if page is ada else 'bob'}")
    ada.keyboard.press("Enter")
    expect(ada.get_by_text(f"{design} refused").first).to_be_visible()
    bob.keyboard.press("Enter")
    expect(bob.get_by_text("meanwhile").first).to_be_visible()
    expect(bob.get_by_label("Why?")).to_have_value("words of bob")
    reasons = [d.reason for d in desk.store.decisions.of(design) if d.verb is Verb.REFUSE]
    assert reasons == ["words of ada"]
    for context in contexts:
        context.close()


def test_several_at_once_on_a_phone(app, desk: Desk, proposed, browser: Browser):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{app.url}/inbox")
    bar = page.locator("[class*='st-key-inbox-approve--'] button").last
    expect(bar).to_be_in_viewport()                          # the decision is at hand without scrolling
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("List", exact=True).click()
    page.get_by_role("button", name=re.compile("Tick all")).click()
    before = {d for d, s in statuses(desk).items() if s == "proposed"}
    page.get_by_role("button", name="Too costly").click()
    expect(page.get_by_text(f"{len(before)} refused")).to_be_visible()
    assert {statuses(desk)[d] for d in before} == {"refused"}
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name=re.compile(f"Tick all {len(before)}"))).to_be_visible()
    assert {statuses(desk)[d] for d in before} == {"proposed"}
    context.close()
