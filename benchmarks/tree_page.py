"""How long the Tree page takes with many designs, from the server's answer to a graph that reacts to a click.

    python benchmarks/tree_page.py [--designs 1000]

Starts the app on a free port over a synthetic tree written through the real store, opens it in Chromium, and prints medians. Needs Playwright
and a browser (bash tests/run.sh installs both). Beside it, in the same run, the same page with 10 designs: the ratio is what the size costs.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, BrowserContext, sync_playwright  # noqa: E402

from core.build import BuildSystem  # noqa: E402
from core.config import Config  # noqa: E402
from core.types import CheckReport, Kind, Metrics, Mode, Verb  # noqa: E402

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
DRAWN = """() => { const gd = document.querySelector('.js-plotly-plot');
  return !!(gd && gd._fullLayout && gd._fullLayout.xaxis && gd.calcdata && gd.calcdata.length > 2); }"""
NODE = """(id) => { const gd = document.querySelector('.js-plotly-plot'), box = gd.getBoundingClientRect(), {xaxis, yaxis} = gd._fullLayout;
  for (const t of gd._fullData) { const i = (t.customdata || []).findIndex(c => c && c[0] === id);
    if (i >= 0) return [box.left + xaxis._offset + xaxis.l2p(t.x[i]), box.top + yaxis._offset + yaxis.l2p(t.y[i])]; } }"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--designs", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("streamlit", "plotly", "sqlalchemy"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium") or None
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        small, large = (measure(browser, n, args.runs) for n in (10, args.designs))
        browser.close()
    print(f"{'':44}{'10 designs':>12}{f'{args.designs:,} designs':>16}{'ratio':>8}")
    for name in small:
        print(f"{name:44}{small[name]:>10.2f} s{large[name]:>14.2f} s{large[name] / small[name]:>8.1f}")


def measure(browser: Browser, n: int, runs: int) -> dict[str, float]:
    """Medians over `runs` newcomers and `runs` visitors who come back, in seconds, after one visit that warms the server up."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), n) as url:
        new, back = [], []
        for _ in range(runs + 1):
            context = browser.new_context(viewport={"width": 1440, "height": 900})  # its cache is empty
            new.append(visit(context, url))
            back.append(visit(context, url))
            context.close()
    found = {"server's answer": statistics.median(v["server's answer"] for v in back[1:])}
    for who, visits in (("first visit", new), ("next visits", back)):
        for name in ("answer to interactive graph", "click to the design beside it"):
            found[f"{name}, {who}"] = statistics.median(v[name] for v in visits[1:])
    return found


def visit(context: BrowserContext, url: str) -> dict[str, float]:
    page = context.new_page()
    started = time.perf_counter()
    page.goto(url, wait_until="commit")
    answered = time.perf_counter()
    page.wait_for_function(DRAWN, timeout=60_000)
    drawn = time.perf_counter()
    x, y = page.evaluate(NODE, "gpt2")
    page.mouse.move(x, y)
    page.wait_for_timeout(100)  # the pointer rests on the node
    clicked = time.perf_counter()
    page.mouse.click(x, y)
    page.get_by_role("heading", name="GPT-2").wait_for(timeout=60_000)
    selected = time.perf_counter()
    page.close()
    return {"server's answer": answered - started, "answer to interactive graph": drawn - answered, "click to the design beside it": selected - clicked}


@contextmanager
def serving(folder: Path, n: int) -> Iterator[str]:
    env = {**os.environ, "DATA_DIR": str(folder)}
    grow(folder, n)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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


def grow(folder: Path, n: int) -> None:
    """A tree of `n` designs: references, then mutations and crossovers of earlier ones in every state, each with a unit or a hyperparameter of its own."""
    r, store = random.Random(0), BuildSystem(Config.from_env({"DATA_DIR": str(folder)})).open().store
    designs = store.designs.all()
    ids, known = [d.id for d in designs], dict(store.unit_trees())
    with store.together():                    # one transaction: ten thousand of them would take minutes
        for i in range(n - len(ids)):
            parents = r.sample(ids[-max(60, len(ids) // 3):], r.choice((1, 1, 2)))
            design = f"s{i // 3}-{i % 3 + 1}"
            store.designs.add(design, f"synthetic {i}", Kind.AGENT, Mode.CROSSOVER if len(parents) > 1 else Mode.MUTATION, parents, "genetic_designer",
                              f"s{i // 3}", i % 3, "block.channel `mlp_gelu` → `swiglu`: a summary of usual length, for the hover")
            units = known.get(parents[0], known["gpt2"])
            path, node = r.choice(units.walk())
            units = units.replace(path, replace(node, config={**node.config, "variant": r.randrange(50)}))
            known[design] = units
            proposal = store.proposals.add(design, "genetic_designer", False, f"gla · swiglu {i}", "body", units)
            store.reviews.add(proposal.id, "rule_reviewer", r.uniform(1, 5), {}, "text")
            state = r.random()
            if state < 0.15:
                store.decisions.add(Verb.REFUSE, "you", design, reason="synthetic")
            elif state < 0.6:
                made = store.implementations.add(design, "compose_coder", f"# {i}", units)
                store.checks.add(made.id, CheckReport(state > 0.2, "nano", (), None))
                if state > 0.35:
                    row = store.verifications.start(design, made.id, "nano", 0, "python docs", "h")
                    store.verifications.finish(row.id, Metrics(r.uniform(2, 3), 0.02, 4, 60, 4, 600_000, 9000, 60, 5, 790_000, 260_000, 4, 128, 600, {}), {})
            ids.append(design)
    store.close()


if __name__ == "__main__":
    main()
