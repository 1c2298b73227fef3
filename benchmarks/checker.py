"""How long the checker takes: format, a spawned child, a warm full check of every reference with and without "learns", jailed calls a second.

    python benchmarks/checker.py
"""

from __future__ import annotations

import os
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.checker.check import check  # noqa: E402
from core.checker.format import findings  # noqa: E402
from core.gab.references import load_references  # noqa: E402
from core.gab.scales import load_scales  # noqa: E402
from core.sandbox.run import Limits, Sandbox, layers  # noqa: E402


def spawn() -> float:
    started = time.perf_counter()
    with Sandbox(Limits(seconds=20)).open("core.sandbox.probe", {}) as child:
        list(child.frames())
    return time.perf_counter() - started


def main() -> None:
    nano = load_scales(ROOT / "library" / "scales.yaml")["nano"]
    codes = {r.slug: r.code for r in load_references(ROOT / "library")}
    print(f"{platform.machine()} {platform.system()} {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}")
    print("layers:", ", ".join(f"{name}{'' if held else ' (missing)'}" for name, held, _ in layers()))
    formats = []
    for code in codes.values():
        started = time.perf_counter()
        findings(code)
        formats.append(time.perf_counter() - started)
    print(f"format: median {median(formats) * 1e3:.1f} ms, slowest {max(formats) * 1e3:.1f} ms")
    spawns = [spawn() for _ in range(50)]
    print(f"a jailed child, warm, started and ended: median {median(spawns) * 1e3:.1f} ms")
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        n = len(list(pool.map(lambda _: spawn(), range(100))))
    print(f"trivial jailed calls, two at a time: {n / (time.perf_counter() - started):.0f} a second")
    check(codes["gpt2"], nano, codes["gpt2"])
    for learn in (False, True):
        took = {}
        for slug, code in codes.items():
            report = check(code, nano, codes["gpt2"], learn=learn)
            took[slug] = report.seconds
            verdicts = ", ".join(f"{r.name} {r.verdict}" for r in report.results if r.verdict != "pass")
            print(f"  {slug:<18} {report.seconds:5.2f} s {'passed' if report.passed else 'FAILED'}{f'  ({verdicts})' if verdicts else ''}")
        print(f"full check at nano{' with learns' if learn else ''}: median {median(took.values()):.2f} s, slowest {max(took.values()):.2f} s")


if __name__ == "__main__":
    main()
