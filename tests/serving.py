"""The app served for a browser's tests, and when its page is at rest."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[1]
SETTLED = """() => { const app = document.querySelector('[data-testid="stApp"]');
  return !!app && app.getAttribute('data-test-script-state') === 'notRunning' && document.querySelectorAll('[data-testid="stElementContainer"]').length > 1; }"""


# What was faded while it was drawn anew has its colour again; what turns for ever is left out.
COLOURED = """() => document.getAnimations().every((a) => a.playState !== 'running' || a.effect?.getComputedTiming().endTime === Infinity) &&
  ![...document.querySelectorAll('[data-testid="stElementContainer"]')].some((e) => e.getAttribute('data-stale') === 'true')"""


def settled(page: Page) -> None:
    """All of it is drawn, and its script rests: until then a click may meet an element that is about to be replaced."""
    page.wait_for_function(SETTLED, timeout=30_000)
    page.wait_for_timeout(150)
    page.wait_for_function(COLOURED, timeout=30_000)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(env: Mapping[str, str], port: int) -> subprocess.Popen[str]:
    """`python -m core serve`, once it says that it is there."""
    process = subprocess.Popen([sys.executable, "-m", "core", "serve", "--port", str(port)], cwd=ROOT, env=dict(env), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout
    first = process.stdout.readline()
    assert "is at" in first, first
    return process


@contextmanager
def serving(env: Mapping[str, str], port: int = 0) -> Iterator[str]:
    """The address of an app and its worker."""
    port = port or free_port()
    process = start(env, port)
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGINT)
    process.wait(30)
