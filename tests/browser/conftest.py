"""A real app and worker on a free port, and a real browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page, sync_playwright
from serving import serving

ROOT = Path(__file__).resolve().parent.parent.parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]

# Where a node of the tree stands on the screen, whether SVG or WebGL draws it.
NODE_AT = """(id) => {
  const gd = document.querySelector('.js-plotly-plot');
  if (!gd || !gd._fullLayout || !gd._fullLayout.xaxis) return null;
  const box = gd.getBoundingClientRect(), {xaxis, yaxis} = gd._fullLayout;
  for (const trace of gd._fullData) {
    const i = (trace.customdata || []).findIndex(c => c && c[0] === id);
    if (i >= 0) return [box.left + xaxis._offset + xaxis.l2p(trace.x[i]), box.top + yaxis._offset + yaxis.l2p(trace.y[i])];
  }
  return null;
}"""


@dataclass
class App:
    url: str
    data_dir: Path
    env: dict[str, str]

    def core(self, *args: str) -> str:
        """`python -m core …` on the app's data directory."""
        done = subprocess.run([sys.executable, "-m", "core", *args], cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def designs(self) -> list[dict]:
        return json.loads(self.core("designs", "--json"))


@pytest.fixture(scope="module")
def short_nano(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The app and its worker read a `nano` with a tenth of its tokens; ask for it before `app`."""
    nano = yaml.safe_load((ROOT / "library" / "scales.yaml").read_text())["nano"]
    path = tmp_path_factory.mktemp("ladder") / "scales.yaml"
    path.write_text(yaml.safe_dump({"nano": nano | {"tokens": nano["tokens"] // 10, "eval_tokens": 16384}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALES_FILE", str(path))
        yield


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    data = tmp_path_factory.mktemp("app")
    env = {**os.environ, "DATA_DIR": str(data), "CKPT_DIR": str(data / "ckpt")}
    with serving(env) as url:
        yield App(url, data, env)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A screenshot is left in test-results/ when the test fails."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(20_000)
    yield page
    if getattr(request.node, "failed", False):
        target = ROOT / "test-results" / f"{request.node.name}.png"
        target.parent.mkdir(exist_ok=True)
        page.screenshot(path=target, full_page=True)
    page.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    outcome = yield
    if outcome.get_result().failed:
        item.failed = True


def click_node(page: Page, design_id: str, *modifiers: str) -> None:
    """Click a design in the tree's graph."""
    deadline = time.monotonic() + 20
    while (at := page.evaluate(NODE_AT, design_id)) is None:
        assert time.monotonic() < deadline, f"{design_id} is not drawn"
        page.wait_for_timeout(100)
    for modifier in modifiers:
        page.keyboard.down(modifier)
    page.mouse.move(at[0], at[1])
    page.wait_for_timeout(150)  # plotly takes the hovered point for the clicked one
    page.mouse.click(at[0], at[1])
    for modifier in modifiers:
        page.keyboard.up(modifier)


@pytest.fixture(name="click_node")
def click_node_fixture():
    return click_node
