"""Every page in a real browser, wide and narrow, dark and light: nothing breaks, nothing is fetched from elsewhere, what agents write is never run, and a stream survives a restart."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from serving import free_port, settled, start
from stub_llm import StubServer
from stub_llm.researcher import Researcher

from core.config import Config
from core.desk import Desk
from core.types import CheckReport, CheckResult, Kind, Metrics, Mode, Verb

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p.stem for p in (ROOT / "pages").glob("*.py"))
EVIL = ("<script>window.pwned=1</script><img src=x onerror='window.pwned=2'> [click](javascript:window.pwned=3) ![p](http://elsewhere.invalid/p.png) "
        "$\\href{javascript:window.pwned=4}{x}$ :material/home: `co``de` | a | b |\n|---|---|\n\u202eevil\u202c \x07 " + "x" * 3000)


@pytest.fixture(scope="module")
def evil(app) -> str:
    """A session whose every text is hostile; the id of its first design."""
    desk = Desk.open(Config.from_env({"DATA_DIR": str(app.data_dir)}))
    session = desk.start_session(["gpt2"], instructions=EVIL, enqueue=False)
    ident = f"{session.id}-1"
    units = desk.store.proposals.newest("gla").units
    desk.store.designs.add(ident, EVIL, Kind.AGENT, Mode.MUTATION, ["gpt2"], EVIL[:80], session.id, 0, EVIL)
    proposal = desk.store.proposals.add(ident, EVIL[:80], False, EVIL, EVIL, units)
    desk.store.reviews.add(proposal.id, EVIL[:80], 3.0, {"novelty": 3.0}, EVIL, {"points": [EVIL], "nearest": ["gpt2"], "forecast": 0.4, "stuck": 2, "repeats": EVIL})
    made = desk.store.implementations.add(ident, EVIL[:80], f"'''{EVIL}'''", units)
    desk.store.checks.add(made.id, CheckReport(True, "nano", (CheckResult(EVIL[:60], "warn", EVIL, 0.1, EVIL, EVIL),), None, EVIL))
    row = desk.store.verifications.start(ident, made.id, "nano", 0, EVIL[:60], "hash")
    desk.store.verifications.finish(row.id, Metrics(2.3, 0.01, 3.0, 20.0, 3.1, 1000, 500.0, 2.0, 0.5, 100, 50, 4, 128, 64.0, {EVIL[:60]: {"acc": 0.6, "acc_stderr": 0.1, "chance": 0.5, "n": 3}}), {})
    for verb in (Verb.COMMENT, Verb.APPROVE):
        desk.store.decisions.add(verb, EVIL[:80], design_id=ident, reason=EVIL)
    desk.steer(session.id, EVIL)
    desk.guide(EVIL)
    desk.store.events.append(f"session:{session.id}", "message", EVIL[:80], {"role": "designer", "message": 1, "design": ident})
    for kind in ("text", "reasoning"):
        desk.store.events.append(f"session:{session.id}", "delta", "designer", {"message": 1, "kind": kind, "text": EVIL})
    desk.store.close()
    return ident


@pytest.fixture
def watched(page: Page, app) -> Page:
    """The page, and what went wrong on it: errors of scripts, dialogs, requests to elsewhere."""
    page.wrong = []
    page.on("pageerror", lambda e: page.wrong.append(f"script: {e}"))
    page.on("dialog", lambda d: (page.wrong.append(f"dialog: {d.message}"), d.dismiss()))
    page.on("request", lambda r: page.wrong.append(f"fetched {r.url}") if not r.url.startswith((app.url, "ws", "data:", "blob:")) else None)
    return page


def address(app, name: str, evil: str) -> str:
    query = {"design": f"?design={evil}", "studio": f"?session={evil.rpartition('-')[0]}", "tree": f"?design={evil}"}.get(name, "")
    return f"{app.url}/{name if name != 'tree' else ''}{query}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_bears_hostile_text_wide_and_narrow_and_fetches_nothing_from_elsewhere(app, watched: Page, evil: str, name: str):
    for width, height in ((1440, 900), (390, 844)):
        watched.set_viewport_size({"width": width, "height": height})
        watched.goto(address(app, name, evil))
        settled(watched)
        assert watched.evaluate("window.pwned") is None
        assert watched.locator('[data-testid="stException"]').count() == 0
        assert watched.get_by_text("This part of the page failed").count() == 0
        assert watched.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{name} is wider than {width}"
    assert watched.locator("a[href^='javascript']").count() == 0
    assert not watched.wrong, watched.wrong


# What Streamlit draws itself and nobody who uses it can change.
THEIRS = re.compile(r"stToolbar|stMainMenu|stSidebar|stHeader|glide|gdg-|stDataFrame|stMultiSelect|stSelectbox|baseweb|stSlider|stNumberInput|stExpander|stTopNav|data-rfd|stSegmented|stButtonGroup|stTabs")


GRID = "verify?way=grid"
OFF = ("scrollable-region-focusable",)   # browsers make scrolled regions focusable by themselves since 2024


def violations(page: Page) -> set[str]:
    return {f"{v['id']}: {node['html'][:160]} {node.get('target')}" for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical") and v["id"] not in OFF
            for node in v["nodes"] if not THEIRS.search(node["html"] + str(node.get("target")))}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation_of_ours(app, browser: Browser, evil: str, scheme: str):
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    found = []
    for name in (*PAGES, GRID):
        page.goto(address(app, name, evil))
        settled(page)
        if name == GRID:
            page.locator(".md-cells thead button").first.click()
            settled(page)
        seen = violations(page)
        for _ in range(3):               # what is drawn anew is faded meanwhile, and pale for that moment alone: what is wrong stays wrong
            if seen:
                settled(page)
                seen &= violations(page)
        found += [f"{name}: {one}" for one in seen]
    page.close()
    assert not found, "\n".join(found[:40])


# ------------------------------------------------------------------------------------------------ a restart in the middle


def children(pid: int) -> list[int]:
    found = [int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]
    return [*found, *(grand for c in found for grand in children(c))]


class Served:
    """An app with a worker that can be killed and started again on the same port, and a slow stub of a language model behind."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.port = free_port()
        self.url, self.env = f"http://127.0.0.1:{self.port}", {**os.environ, "DATA_DIR": str(folder), "CKPT_DIR": str(folder / "ckpt"), "LEASE_S": "2", "THREADS": "1", **env}
        self.start()

    def start(self) -> None:
        self.process = start(self.env, self.port)

    def kill(self) -> None:
        """All of it at once: the supervisor, the app, the worker."""
        for pid in [self.process.pid, *children(self.process.pid)]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def kill_supervisor(self) -> None:
        """It alone; the others end by themselves."""
        left = children(self.process.pid)
        self.process.kill()
        self.process.wait(10)
        deadline = time.monotonic() + 20
        while any(Path(f"/proc/{pid}").exists() for pid in left):
            assert time.monotonic() < deadline, "the app or the worker outlives its supervisor"
            time.sleep(0.1)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with StubServer(Researcher(), pause_s=0.05) as stub:
        found = Served(tmp_path / "data", stub.environment(tmp_path / "stub", stall_s=20))
        found.stub = stub
        yield found
        found.kill_supervisor()


def test_a_session_streams_through_a_kill_of_the_server_and_a_reload(served: Served, page: Page):
    page.goto(f"{served.url}/studio?parents=gpt2,mamba2")
    expect(page.get_by_text("Crossover: join the units of several")).to_be_visible()
    expect(page.get_by_text("the key is there")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Those who make")).to_be_visible()
    expect(page.get_by_text("▌").first).to_be_visible(timeout=30_000)
    session = re.search(r"session=(\w+)", page.url).group(1)

    served.kill()                                   # in the middle of a sentence: the app, its worker, the connection
    said = len(served.stub.log)
    served.start()
    expect(page.get_by_text("Those who make")).to_be_visible(timeout=60_000)     # the page finds the server again by itself
    expect(page.get_by_text("Waiting for you").first).to_be_visible(timeout=120_000)
    page.reload()
    expect(page.get_by_text("Proposals, best first")).to_be_visible(timeout=30_000)
    expect(page.get_by_text(re.compile(r"^\d\. Gated running mean"))).to_have_count(3, timeout=20_000)
    desk = Desk.open(Config.from_env({"DATA_DIR": served.env["DATA_DIR"]}))
    calls = desk.store.calls.spent(stream=f"session:{session}")
    assert said <= len(served.stub.log) <= calls.answers + 1, "what was answered before the kill is not asked again; only what was cut off is"
    desk.store.close()


def test_closing_the_browser_changes_nothing_and_interrupting_stops_at_once(served: Served, browser: Browser):
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{served.url}/studio?parents=gpt2")
    expect(page.get_by_text("the key is there")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("▌").first).to_be_visible(timeout=30_000)
    address = page.url
    page.close()

    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(20_000)
    page.goto(address)
    expect(page.get_by_text("▌").first).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Interrupt").click()
    expect(page.get_by_text("Paused.")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("Waiting for you").first).to_be_visible(timeout=120_000)
    page.close()
