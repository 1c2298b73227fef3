"""How quick the app is with 100, 1,000 and 10,000 designs, and what five people who watch a run cost the server.

    python benchmarks/desk.py [--designs 100 1000 10000] [--runs 3] [--watch 30]

Each page is opened in Chromium by a visitor who was there before, with a browser's profile on disk as people have one (medians over `--runs`, in seconds, from asking to settled: no element is stale, nothing runs,
and every chart in sight is drawn). "Streamlit's own start" is a page of two lines in the same browser, beside: what of each figure is not ours. The tree's own
figures (first drawing, selecting) are those of benchmarks/tree_page.py. "From the menu" is the same by a click in a tab that is open already, as most visits are. For the watchers a scripted run that writes an event every half a second stands in: five browsers
stay on its session's page, and the CPU time of the server's processes is read from /proc before and after. Peers for the ratios: the same app with 100 designs, and Streamlit's own start.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from playwright.sync_api import Browser, BrowserContext, Page, TimeoutError, sync_playwright  # noqa: E402
from tree_page import FLAGS, free_port, serving  # noqa: E402

from core.config import Config  # noqa: E402
from core.desk import Desk  # noqa: E402
from core.types import Job, JobKind  # noqa: E402

PAGES = {"tree": "", "inbox": "inbox", "studio": "studio", "one design": "design?design=s3-1", "verify": "verify", "verify, grid": "verify?way=grid", "compare": "compare", "evolve": "evolve",
         "jobs": "jobs"}
MENU = ("Inbox", "Studio", "Verify", "Compare", "Evolve")
SETTLED = """() => { const app = document.querySelector('[data-testid="stApp"]');
  return !!app && app.getAttribute('data-test-script-state') === 'notRunning' && !document.querySelector('[data-testid="stSkeleton"]') &&
         document.querySelectorAll('[data-testid="stMainBlockContainer"] [data-testid="stElementContainer"]').length > 1 &&
         ![...document.querySelectorAll('.md-chart:not([data-drawn])')].some((c) => c.clientWidth && c.getBoundingClientRect().top < innerHeight); }"""
WATCHERS = 5
WARMING = 3              # visits that warm the server, and the browser: it keeps a script compiled from the third time on
BARE = "Streamlit's own start"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--designs", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--watch", type=float, default=30.0, help="seconds")
    args = parser.parse_args()
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("streamlit", "plotly", "sqlalchemy"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium") or None
        person = playwright.chromium.launch_persistent_context(profile, executable_path=path, args=FLAGS, viewport={"width": 1440, "height": 900})
        found = {n: opened(person, n, args.runs) for n in args.designs}
        person.close()
        print(f"\n{'a page opens, seconds':24}" + "".join(f"{n:>10,}" for n in args.designs) + f"{'ratio':>8}")
        for name in found[args.designs[0]]:
            row = [found[n][name] for n in args.designs]
            print(f"{name:24}" + "".join(f"{v:>10.2f}" for v in row) + f"{row[-1] / row[0]:>8.1f}")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        idle, busy = watched(browser, args.watch)
        print(f"\n{WATCHERS} watchers: {busy:.1%} of one core while an event is written every half a second; {idle:.1%} with nobody there")
        browser.close()


def opened(context: BrowserContext, n: int, runs: int) -> dict[str, float]:
    """Page → median seconds."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), n) as url, blank(Path(folder)) as bare:
        found = {}
        for name, address in {BARE: bare, **{name: f"{url}/{path}" for name, path in PAGES.items()}}.items():
            times = [visit(context, address) for _ in range(runs + WARMING)]
            found[name] = statistics.median(times[WARMING:])
        page = context.new_page()
        page.goto(url)
        settle(page)
        rounds = [{f"{name}, from the menu": followed(page, name) for name in MENU} for _ in range(runs + 1)]
        found |= {name: statistics.median(took[name] for took in rounds[1:]) for name in rounds[0]}
        page.close()
    return found


@contextmanager
def blank(folder: Path) -> Iterator[str]:
    """The address of a Streamlit page of two lines."""
    script = folder / "blank.py"
    script.write_text("import streamlit as st\nst.caption('one line')\nst.caption('and another')\n")
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true", "--browser.gatherUsageStats", "false"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
                    break
            except OSError:
                time.sleep(0.1)
        else:
            raise SystemExit("the blank page did not start within 30 s")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def followed(page: Page, name: str) -> float:
    """Seconds from a click in the menu until that page is there at rest."""
    started = time.perf_counter()
    page.locator("header, nav, [data-testid=stSidebar]").get_by_role("link", name=name).first.click()
    page.wait_for_url(f"**/{name.lower()}*")
    page.wait_for_timeout(100)             # until the page's script has begun; it is part of what is told
    settle(page)
    return time.perf_counter() - started


def visit(context: BrowserContext, url: str) -> float:
    page = context.new_page()
    started = time.perf_counter()
    page.goto(url, wait_until="commit")
    settle(page)
    took = time.perf_counter() - started
    page.close()
    return took


def settle(page: Page) -> None:
    try:
        page.wait_for_function(SETTLED, timeout=60_000)
    except TimeoutError as error:
        raise SystemExit(f"{page.url} did not come to rest within a minute: {page.locator('body').inner_text()[:400]}") from error


def watched(browser: Browser, seconds: float) -> tuple[float, float]:
    """Shares of one core that the app takes: (with nobody there, with the watchers)."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), 1000) as url:
        server = _server_of(url)
        idle = _share(server, min(10.0, seconds))
        desk = Desk.open(Config.from_env({"DATA_DIR": folder}))
        session = desk.start_session(["gpt2"], enqueue=False)
        with desk.store.together():                 # in one transaction: the app's own worker never sees it waiting
            job = desk.queue.put(JobKind.SESSION, f"session:{session.id}", {"session": session.id})
            job = desk.queue.claim("benchmark", only=job.id)
        stop = threading.Event()
        writer = threading.Thread(target=_speak, args=(desk, job, session.id, stop))
        writer.start()
        pages = [browser.new_page() for _ in range(WATCHERS)]
        for page in pages:
            page.goto(f"{url}/studio?session={session.id}")
        time.sleep(5)
        before = [_words(page) for page in pages]
        busy = _share(server, seconds)
        grown = [_words(page) - words for page, words in zip(pages, before, strict=True)]
        stop.set()
        writer.join()
        if min(grown) < 4 * 1.5 * seconds:        # words that each page should have got, less two ticks' worth and some
            raise SystemExit(f"a page did not follow the stream: words that came to each were {grown}")
        for page in pages:
            page.close()
        desk.store.close()
    return idle, busy


def _speak(desk: Desk, job: Job, session_id: str, stop: threading.Event) -> None:
    """Until `stop`; the job stays this script's, or the app's worker would take the session up and end it."""
    stream = f"session:{session_id}"
    desk.store.events.append(stream, "message", "designer", {"role": "designer", "message": 1, "design": None})
    while not stop.wait(0.5):
        desk.store.events.append(stream, "delta", "designer", {"message": 1, "text": "a few words more, "})
        desk.queue.heartbeat(job)


def _words(page: Page) -> int:
    """Of the stream that stand on the page."""
    return page.locator('[class*="st-key-dialog-"]').first.inner_text().count("more") * 4


def _server_of(url: str) -> list[int]:
    """The processes that serve the app on this port."""
    port = url.rsplit(":", 1)[1]
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"streamlit" in b" ".join(command) and port.encode() in b" ".join(command):
                found.append(int(entry.name))
    return found


def _share(pids: list[int], seconds: float) -> float:
    before, started = _cpu(pids), time.perf_counter()
    time.sleep(seconds)
    return (_cpu(pids) - before) / (time.perf_counter() - started)


def _cpu(pids: list[int]) -> float:
    """Seconds, user and system."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


if __name__ == "__main__":
    main()
