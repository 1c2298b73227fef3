"""The parent's side: `Sandbox(limits).open(task, payload)` starts a child, watches it from outside, and ends it.

    with Sandbox(Limits(seconds=60)).open("core.checker.child", {"code": code}) as child:
        for header, arrays in child.frames(): ...

The child gets a scrubbed environment, its own session, and the layers of core/sandbox/layers.py. A watcher thread kills its whole process
group when it overruns the clock, its resident memory or its output. An end without an answer is ChildDied, whatever its exit code.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import errors
from core.config import ROOT
from core.errors import ChildDied, ModelDiscoveryError, SandboxError, SandboxMemory, SandboxTimeout
from core.sandbox.channel import Channel
from core.sandbox.layers import Layer
from core.types import Json

WATCH_S = 0.1
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT")  # of the parent's environment
TELLABLE = ("CodeError", "ContractError", "DesignError", "FitError", "UnitError", "VerificationError", "Diverged", "SandboxMemory")


@dataclass(frozen=True)
class Limits:
    seconds: float | None = 120.0    # wall clock; None for a training, which its own steps bound
    memory_mb: int = 8192            # resident, all its processes together
    output_kb: int = 256             # what it prints
    file_mb: int = 20_000            # the largest file it may write: a checkpoint must fit


class Child:
    """A running task."""

    def __init__(self, process: subprocess.Popen, limits: Limits, capture: Path) -> None:
        self._process = process
        self._limits = limits
        self._capture = capture
        self._channel = Channel(process.stdout, process.stdin)
        self._killed: SandboxError | None = None
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name=f"sandbox-{process.pid}", daemon=True)
        self._watcher.start()
        self.layers: tuple[Layer, ...] = ()
        self.peak_memory_mb = 0.0

    def send(self, header: Json, *arrays: np.ndarray) -> None:
        try:
            self._channel.send(header, *arrays)
        except BrokenPipeError:
            raise self._why() from None

    def recv(self) -> tuple[Json, list[np.ndarray]]:
        """The next frame. What the task raised is raised here; so is why it died."""
        try:
            header, arrays = self._channel.recv()
        except ChildDied:
            raise self._why() from None
        if "error" in header:
            raise _told(header["error"])
        return header, arrays

    def frames(self) -> Iterator[tuple[Json, list[np.ndarray]]]:
        """Until and with the frame that says "done"."""
        while True:
            header, arrays = self.recv()
            yield header, arrays
            if header.get("done"):
                return

    @property
    def output(self) -> str:
        """What it printed, cut at the limit with a note."""
        limit = self._limits.output_kb * 1024
        with self._capture.open("rb") as file:
            text = file.read(limit).decode("utf-8", "replace")
        size = self._capture.stat().st_size
        return text + (f"\n… cut here, {size:,} bytes were printed" if size > limit else "")

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """End its whole process group, and wait until it is gone."""
        self._over.set()
        _kill_group(self._process)
        self._process.wait()
        self._watcher.join()

    def _why(self) -> SandboxError:
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            _kill_group(self._process)
            code = self._process.wait()
        self._watcher.join(2 * WATCH_S)
        if self._killed:
            return self._killed
        how = f"killed by signal {signal.Signals(-code).name}" if code < 0 else f"ended with code {code} and no answer"
        last = self.output.strip().splitlines()[-1:] or ["it printed nothing"]
        return ChildDied(f"the sandboxed process was {how}" if code < 0 else f"the sandboxed process {how}", f"its last words: {last[0][:300]}")

    def _watch(self) -> None:
        deadline = time.monotonic() + self._limits.seconds if self._limits.seconds else None
        while not self._over.wait(WATCH_S) and self._process.poll() is None:
            resident = _resident_mb(self._process.pid)
            self.peak_memory_mb = max(self.peak_memory_mb, resident)
            if deadline and time.monotonic() > deadline:
                self._killed = SandboxTimeout(f"stopped after {self._limits.seconds:g} s", "make it faster, or look for an endless loop")
            elif resident > self._limits.memory_mb:
                self._killed = SandboxMemory(f"stopped at {resident:,.0f} MB of memory, {self._limits.memory_mb:,} MB are allowed", "use less memory")
            elif self._capture.stat().st_size > 64 * self._limits.output_kb * 1024:
                self._killed = SandboxError(f"stopped after printing {self._capture.stat().st_size:,} bytes", "take the prints out")
            if self._killed:
                _kill_group(self._process)
                return


class Sandbox:
    def __init__(self, limits: Limits | None = None, threads: int = 1, device: str = "cpu") -> None:
        self.limits = limits or Limits()
        self.threads = threads
        self.device = device

    @contextmanager
    def open(self, task: str, payload: Json, *arrays: np.ndarray) -> Iterator[Child]:
        """Run `task` (a module under core.) in a child for the length of the block; nothing of it is left afterwards."""
        if not task.startswith("core."):
            raise SandboxError(f"task {task!r} is not ours", "name a module under core.")
        home = Path(tempfile.mkdtemp(prefix="sandbox-"))
        child: Child | None = None
        try:
            child = self._start(home)
            hello, _ = child.recv()
            child.layers = tuple(Layer(**layer) for layer in hello["layers"])
            child.send({"task": task, "payload": payload}, *arrays)
            yield child
        finally:
            if child:
                child.kill()
            shutil.rmtree(home, ignore_errors=True)

    def _start(self, home: Path) -> Child:
        settings = {"root": str(ROOT), "parent": os.getpid(), "memory_mb": self.limits.memory_mb, "file_mb": self.limits.file_mb,
                    "cap_address_space": self.device == "cpu"}
        capture = home / "output"
        (home / "home").mkdir()
        with capture.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-B", str(ROOT / "core" / "sandbox" / "child.py"), json.dumps(settings)], cwd=home / "home",
                env=self._environment(home / "home"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, start_new_session=True)
        return Child(process, self.limits, capture)

    def _environment(self, home: Path) -> dict[str, str]:
        threads = str(self.threads)
        return {name: os.environ[name] for name in KEPT if name in os.environ} | {
            "HOME": str(home), "TMPDIR": str(home), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def layers() -> list[tuple[str, bool, str]]:
    """Each layer, whether it holds on this machine, and how or why not; found by starting a child."""
    with Sandbox(Limits(seconds=20)).open("core.sandbox.probe", {}) as child:
        return [(layer.name, layer.held, layer.why) for layer in child.layers]


def _told(error: Json) -> ModelDiscoveryError:
    kind = error.get("type") if error.get("type") in TELLABLE else "DesignError"
    return getattr(errors, kind)(str(error.get("what", ""))[:4000], str(error.get("mend", ""))[:1000])


def _kill_group(process: subprocess.Popen) -> None:
    """The child leads its session's group; what it forked dies with it. It is not reaped before this, so its number is its own."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def _resident_mb(group: int) -> float:
    """Resident memory of a process group; 0 where /proc is missing, and there only the clock watches."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return total / 2**20
