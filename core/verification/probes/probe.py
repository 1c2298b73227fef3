"""`probe(code, suite, seed)`: every task of a suite on one design, each in a sandboxed child of its own, several at a time.

A probe is of one thread: models this small gain nothing from more, while two side by side take two cores whole. The parent makes the data of the
evaluation, keeps their answers, and counts the accuracy itself. It also changes what follows a position and asks again: an answer that changes
with its future was looked up there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field

import numpy as np

from core.errors import Cancelled, ChildDied, DesignError, SandboxMemory, SandboxTimeout
from core.sandbox.run import Child, Limits, Sandbox
from core.types import Json, ProbeResult, derive_seed
from core.verification.probes.base import Batch
from core.verification.probes.suites import Probe
from core.verification.probes.tasks import get_task

ASKED = 4096                         # answers asked for in an evaluation, at least: a standard error of 0.8 % at the worst
ROWS = 64                            # sequences at least
TWINS = 16                           # sequences whose future is changed
LOOKED = 0.02                        # share of answers that may change by rounding
SOLVED = 0.99                        # no further learning rate is tried
SECONDS = 3600.0                     # for one task's whole sweep; its steps bound it, an endless loop in a block does not


@dataclass(frozen=True)
class Outcome:
    """A result, and what belongs to its provenance."""

    result: ProbeResult
    provenance: Json = field(default_factory=dict)


def probe(code: str, probes: Sequence[Probe], seed: int, *, children: int, on_result: Callable[[Outcome], None],
          on_progress: Callable[[float, str], None] = lambda fraction, note: None, check_cancel: Callable[[], None] = lambda: None) -> list[ProbeResult]:
    """In the suite's order. A design that fails at a task has that told in the result's `failure`; only what is no design's fault is raised.

    `on_result` and the other callbacks are called from this thread. Deterministic from the code, the suite and the seed.
    """
    stop = threading.Event()
    shares = {p.key: 0.0 for p in probes}
    results: dict[tuple[str, str], ProbeResult] = {}
    with ThreadPoolExecutor(max(1, min(children, len(probes))), thread_name_prefix="probe") as pool:
        waiting: set[Future[Outcome]] = {pool.submit(_probed, code, p, seed, stop, shares) for p in probes}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for one in done:
                    outcome = one.result()
                    results[outcome.result.task, outcome.result.level] = outcome.result
                    on_result(outcome)
                busy = [f"{task} {level}".strip() for (task, level), share in shares.items() if 0 < share < 1]
                on_progress(sum(shares.values()) / max(1, len(shares)), f"{len(results)} of {len(probes)} probes" + (f"; {', '.join(busy)}" if busy else ""))
                check_cancel()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [results[p.key] for p in probes]


def _probed(code: str, one: Probe, seed: int, stop: threading.Event, shares: dict[tuple[str, str], float]) -> Outcome:
    """One probe's sweep, in a child."""
    started = time.monotonic()
    blank = ProbeResult(one.suite, one.task, one.level, seed, one.chance, one.chance, 0.0, {}, 0, 0, 0.0)
    data_seed = derive_seed(seed, one.suite, one.task, one.level)
    facts: Json = {"probe": asdict(one), "hash": one.hash}
    payload = {"code": code, "task": one.kind, "settings": dict(one.settings), "depth": one.depth, "width": one.width, "state": one.state, "steps": one.steps,
               "batch": one.batch, "stop_solved": one.test == one.settings, "ease": dict(one.ease) if one.ease else None, "lrs": list(one.lrs),
               "seed": data_seed, "model_seed": derive_seed(seed, "model") % 2**31}
    exam = _exam(one, data_seed)

    def attempt() -> ProbeResult:
        with Sandbox(Limits(seconds=SECONDS, memory_mb=4096)).open("core.verification.probes.child", payload) as child:
            facts["sandbox"] = {layer.name: layer.held for layer in child.layers}
            try:
                return _swept(child, one, blank, exam, facts, lambda share: shares.__setitem__(one.key, share), stop)
            except (KeyError, TypeError, ValueError) as error:  # a frame that the child's own code would not send
                raise DesignError(f"the sandboxed process answered out of turn ({error!r})", "a block must leave its process's channels alone") from error

    try:
        try:
            result = attempt()
        except ChildDied:  # the machine may have ended it; a block that ends its own process does so again
            result = attempt()
    except (DesignError, SandboxTimeout, SandboxMemory, ChildDied) as error:
        result = _with(blank, accuracy=one.chance, failure=str(error))
    shares[one.key] = 1.0
    return Outcome(_with(result, seconds=time.monotonic() - started), facts)


def _swept(child: Child, one: Probe, blank: ProbeResult, exam: Batch, facts: Json, tell: Callable[[float], None], stop: threading.Event) -> ProbeResult:
    """Every learning rate until one has solved the task; the best is kept."""
    header, _ = child.recv()
    facts |= {"width": header["width"], "depth": header["depth"], "state": header["state"], "config": header["config"]}
    by_lr: dict[str, float] = {}
    best: ProbeResult | None = None
    troubles: list[str] = []
    for n, lr in enumerate(one.lrs):
        run: Json = {}
        for run in _until_trained(child, stop):
            if "step" in run:
                tell((n + run["step"] / one.steps) / len(one.lrs) + 1e-6)
        facts["cpu_seconds"] = run["cpu_seconds"]
        if run["failure"]:
            troubles.append(f"{run['failure']} (learning rate {lr:g})")
        else:
            by_lr[f"{lr:g}"] = accuracy = _accuracy(child, exam)
            if best is None or accuracy > best.accuracy:
                _refuse_foresight(child, one, exam)
                best = _with(blank, accuracy=accuracy, lr=lr, steps=run["steps"], params=run["params"])
        last = n + 1 == len(one.lrs) or (best is not None and best.accuracy >= SOLVED)
        child.send({"stop": True} if last else {"next": True})
        if last:
            break
    if best is None:
        return _with(blank, by_lr=by_lr, failure="; ".join(troubles))
    return _with(best, by_lr=by_lr)


def _until_trained(child: Child, stop: threading.Event) -> Iterable[Json]:
    while True:
        header, _ = child.recv()
        if stop.is_set():
            raise Cancelled("the probes were stopped", "")
        yield header
        if header.get("trained"):
            return


def _exam(one: Probe, seed: int) -> Batch:
    """Fresh data with enough answers; made from a stream that training never draws from, and the same for every design."""
    task = get_task(one.kind)
    rng = np.random.default_rng(derive_seed(seed, "exam"))
    first = task.batch(rng, ROWS, dict(one.test), seed)
    more = min(1024, max(0, round(ROWS * (ASKED / max(1, int(first.asked.sum())) - 1))))
    if not more:
        return first
    rest = task.batch(rng, more, dict(one.test), seed)
    return Batch(*(np.concatenate(pair) for pair in ((first.ids, rest.ids), (first.targets, rest.targets), (first.asked, rest.asked))))


def _predicted(child: Child, ids: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    child.send({"ids": True}, ids.astype(np.int32))
    _, arrays = child.recv()
    if len(arrays) != 1 or arrays[0].shape != shape:
        raise DesignError("the block's answers have not the shape of the questions", "one vector a position")
    return arrays[0].astype(np.int64)


def _accuracy(child: Child, exam: Batch) -> float:
    said = _predicted(child, exam.ids, exam.targets.shape)
    return float((said == exam.targets)[exam.asked].mean())


def _refuse_foresight(child: Child, one: Probe, exam: Batch) -> None:
    """Raises DesignError when answers change with what follows them."""
    if get_task(one.kind).decoder:
        return
    ids, cut = exam.ids[:TWINS], exam.ids.shape[1] // 2
    twins = ids.copy()
    twins[:, cut:] = np.roll(twins[:, cut:], 1, 0)[:, ::-1]
    before, after = (_predicted(child, x, ids.shape)[:, :cut] for x in (ids, twins))
    changed = float((before != after).mean())
    if changed > LOOKED:
        raise DesignError(f"{changed:.0%} of the answers change with what comes after them", "the block must not look ahead")


def _with(result: ProbeResult, **changes: object) -> ProbeResult:
    return ProbeResult(**{**asdict(result), **changes})

