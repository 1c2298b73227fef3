"""How long the Tree page takes with many designs: the first drawing, a selection, a frame while it is moved.

    python benchmarks/tree_page.py [--designs 100,1000,10000]

Starts the app on a free port over a synthetic tree in a database of its own, opens it in Chromium, and prints medians. Needs Playwright and a browser
(bash tests/run.sh installs both). "Cold" is the first visitor after the tree has changed: nothing of this version is in the server's memory.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402
from sqlalchemy import insert  # noqa: E402

from core.build import BuildSystem  # noqa: E402
from core.config import Config  # noqa: E402
from core.store.tables import (  # noqa: E402
    CheckRow,
    DecisionRow,
    DesignRow,
    ImplementationRow,
    ParentRow,
    ProposalRow,
    ReviewRow,
    SessionRow,
    VerificationRow,
)
from core.types import CheckReport, Kind, Metrics, Mode, Verb  # noqa: E402

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
DRAWN = "(n) => document.querySelector('.md-tree')?.dataset.drawn === String(n)"
NODE = """(id) => { const gd = document.querySelector('.js-plotly-plot'); if (!gd?._fullLayout?.xaxis) return null;
  const box = gd.getBoundingClientRect(), {xaxis, yaxis} = gd._fullLayout;
  for (const t of gd._fullData) { const i = (t.customdata || []).findIndex(c => c && c[0] === id);
    if (i >= 0) return [box.left + xaxis._offset + xaxis.l2p(t.x[i]), box.top + yaxis._offset + yaxis.l2p(t.y[i])]; } return null; }"""
# From the key going down to the frame after the one in which the highlight was painted.
HIGHLIGHT = """() => new Promise(done => { const began = performance.now();
  document.querySelector('.md-stage').focus();
  window.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown', bubbles: true}));
  requestAnimationFrame(() => requestAnimationFrame(() => done((performance.now() - began) / 1000))); })"""
# The longest of thirty frames while the tree is dragged.
FRAMES = """() => new Promise(done => { const stage = document.querySelector('.md-stage'), box = stage.getBoundingClientRect(), gaps = [];
  const at = (type, k) => stage.dispatchEvent(new PointerEvent(type, {pointerId: 1, button: 0, clientX: box.left + 8 + k, clientY: box.top + 8 + k, bubbles: true}));
  stage.setPointerCapture = () => {}; at('pointerdown', 0);
  let last = performance.now(), k = 0;
  const step = (now) => { gaps.push(now - last); last = now; at('pointermove', ++k * 3); k < 30 ? requestAnimationFrame(step) : (at('pointerup', k * 3), delete stage.setPointerCapture, done(gaps.slice(1).sort((a, b) => a - b)[Math.floor(gaps.length / 2)] / 1000)); };
  requestAnimationFrame(step); })"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--designs", default="100,1000,10000", help="sizes, separated by commas")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    sizes = [int(n) for n in args.designs.split(",")]
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("streamlit", "plotly", "sqlalchemy"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, {versions}")
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium") or None
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        found = [measure(browser, n, args.runs) for n in sizes]
        browser.close()
    print(f"{'':52}" + "".join(f"{f'{n:,} designs':>16}" for n in sizes))
    for name in found[0]:
        print(f"{name:52}" + "".join(f"{one[name]:>14.3f} s" for one in found))


def measure(browser: Browser, n: int, runs: int) -> dict[str, float]:
    """Seconds: one cold visit, then medians over `runs` newcomers, of whom each selects and drags."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), n) as url:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        warm = context.new_page()                          # the server's own first breath: modules, database
        warm.goto(f"{url}/library", wait_until="commit")
        warm.get_by_text("Seed the tree").first.wait_for(timeout=120_000)
        context.close()
        cold, *visits = [visit(browser, url, n) for _ in range(runs + 1)]
    names = list(cold)
    return {f"{names[0]}, cold": cold[names[0]], **{name: statistics.median(v[name] for v in visits) for name in names}}


def visit(browser: Browser, url: str, n: int) -> dict[str, float]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})       # its cache is empty
    page = context.new_page()
    started = time.perf_counter()
    page.goto(f"{url}/?design=gla", wait_until="commit")
    page.wait_for_function(DRAWN, arg=n, timeout=120_000)
    drawn = time.perf_counter() - started
    page.get_by_role("heading", name="Gated linear attention").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)                            # what only the hover needs has come, too
    beside = click(page, "gpt2", "GPT-2")
    highlight = statistics.median(page.evaluate(HIGHLIGHT) for _ in range(3))
    frame = page.evaluate(FRAMES)
    context.close()
    return {"address to the tree drawn, empty cache": drawn, "select: key to highlight painted": highlight, "select: click to the design beside it": beside,
            "median frame while it is dragged": frame}


def click(page: Page, design: str, heading: str) -> float:
    x, y = page.wait_for_function(NODE, arg=design, timeout=30_000).json_value()
    page.mouse.move(x, y)
    began = time.perf_counter()
    page.mouse.click(x, y)
    page.get_by_role("heading", name=heading).wait_for(timeout=60_000)
    return time.perf_counter() - began


@contextmanager
def serving(folder: Path, n: int) -> Iterator[str]:
    env = {**os.environ, "DATA_DIR": str(folder)}
    grow(folder, n)
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "core", "serve", "--port", str(port)], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        if "is at" not in line:
            raise SystemExit(f"the app did not start: {line}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def grow(folder: Path, n: int) -> None:
    """A tree of `n` designs: references, then mutations and crossovers of earlier ones in every state, each with a unit or a hyperparameter of its own.

    The rows are written in bulk, as the store's verbs would write them one by one.
    """
    r, store = random.Random(0), BuildSystem(Config.from_env({"DATA_DIR": str(folder)})).open().store
    designs = store.designs.all()
    ids, known = [d.id for d in designs], dict(store.unit_trees())
    rows: dict[type, list[dict]] = defaultdict(list)
    start = datetime.now(UTC) - timedelta(days=3)
    for i in range(n - len(ids)):
        parents, design, at = r.sample(ids[-max(60, len(ids) // 3):], r.choice((1, 1, 2))), f"s{i // 3}-{i % 3 + 1}", start + timedelta(days=3) * i / n
        mode = Mode.CROSSOVER if len(parents) > 1 else Mode.MUTATION
        path, node = r.choice(known[parents[0]].walk())
        known[design] = known[parents[0]].replace(path, replace(node, config={**node.config, "variant": r.randrange(50)}))
        units = known[design].to_dict()
        rows[DesignRow].append({"id": design, "title": f"synthetic {i}", "kind": str(Kind.AGENT), "mode": str(mode), "author": "genetic_designer", "session_id": f"s{i // 3}",
                                "position": i % 3, "summary": "block.channel `mlp_gelu` → `swiglu`: a summary of usual length, for the hover", "created_at": at})
        rows[ParentRow] += [{"child_id": design, "position": k, "parent_id": p} for k, p in enumerate(parents)]
        rows[ProposalRow].append({"id": 100_000 + i, "design_id": design, "revision": 1, "author": "genetic_designer", "by_person": False, "title": f"gla · swiglu {i}",
                                  "body": "body", "units": units, "created_at": at, "new_units": []})
        rows[ReviewRow].append({"proposal_id": 100_000 + i, "reviewer": "rule_reviewer", "rating": r.uniform(1, 5), "scores": {}, "text": "text", "created_at": at, "data": {}})
        if i % 3 == 0:
            rows[SessionRow].append({"id": f"s{i // 3}", "mode": str(mode), "parents": parents, "n_proposals": 3, "n_implement": 1, "instructions": "", "seed": i, "gate": "auto", "scale": "nano",
                                     "author": "you", "designer": "genetic_designer", "reviewer": "rule_reviewer", "run_id": None, "created_at": at, "closed_at": at, "team": {}})
        state = r.random()
        if state < 0.15:
            rows[DecisionRow].append({"verb": str(Verb.REFUSE), "author": "you", "design_id": design, "session_id": None, "reason": "synthetic", "data": {}, "created_at": at})
        elif state < 0.6:
            rows[ImplementationRow].append({"id": 100_000 + i, "design_id": design, "revision": 1, "author": "compose_coder", "code": f"# {i}", "code_hash": f"{i}", "units": units, "created_at": at})
            rows[CheckRow].append({"implementation_id": 100_000 + i, "passed": state > 0.2, "report": asdict(CheckReport(state > 0.2, "nano", (), None)), "created_at": at})
            if state > 0.35:
                score = r.uniform(2, 3)
                measured = Metrics(score, 0.02, 4, 60, 4, 600_000, 9000, 60, 5, 790_000, 260_000, 4, 128, 600, {})
                rows[VerificationRow].append({"design_id": design, "implementation_id": 100_000 + i, "scale": "nano", "seed": 0, "corpus": "python docs", "corpus_hash": "h", "label": "",
                                              "created_at": at, "finished_at": at, "bits_per_byte": score, "metrics": asdict(measured), "failure": "", "provenance": {}, "settings": ""})
        ids.append(design)
    with store.database.write() as c:
        for table, values in rows.items():
            c.execute(insert(table), values)
    store.close()


if __name__ == "__main__":
    main()
