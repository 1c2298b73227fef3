"""The parent's side: `Sandbox(limits).open(task, payload)` forks a child, watches it from outside, and ends it.

    with Sandbox(Limits(seconds=60)).open("core.checker.child", {"code": code}) as child:
        for header, arrays in child.frames(): ...

The child comes from a pre-imported zygote (core/sandbox/forge.py) whose environment was scrubbed before it was started, has its own session, and puts
the layers of core/sandbox/layers.py on itself. A watcher thread kills its whole process group when it overruns the clock, its
resident memory or its output. An end without an answer is ChildDied, whatever its exit code.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from core import errors
from core.config import ROOT
from core.errors import ChildDied, ModelDiscoveryError, SandboxError, SandboxMemory, SandboxTimeout
from core.sandbox import landlock
from core.sandbox.channel import Channel
from core.sandbox.forge import OURS, Forge, Handle, View, bubblewrap_works, forges
from core.sandbox.layers import Layer, Settings
from core.types import Json

WATCH_S, CHECK_S = 0.05, 1.0
TELLABLE = ("CodeError", "ContractError", "DesignError", "FitError", "UnitError", "VerificationError", "Diverged", "SandboxMemory")


@dataclass(frozen=True)
class Limits:
    seconds: float | None = 120.0    # wall clock; None for a training, which its own steps bound
    memory_mb: int = 8192            # resident, all its processes together
    output_kb: int = 256             # what it prints
    file_mb: int = 64                # the largest file it may write; a training needs more, for its checkpoints


class Child:
    """A running task."""

    def __init__(self, forge: Forge, name: str, handle: Handle, channel: Channel, limits: Limits, capture: Path, alone: bool = False) -> None:
        self._forge = forge
        self._name = name
        self._handle = handle
        self._limits = limits
        self._capture = capture
        self._alone = alone      # its zygote has no other child
        self._channel = channel
        self._killed: BaseException | None = None
        self._asked: float | None = None     # since when the parent waits for a frame
        self._over = threading.Event()
        self.layers: tuple[Layer, ...] = ()
        self.peak_memory_mb = 0.0
        self.check: Callable[[], None] = lambda: None    # asked every second from outside; what it raises ends the child, and is raised by `recv`
        self.silence_s: float | None = None              # how long `recv` waits for a frame before the child is ended as one that hangs
        self._watcher = threading.Thread(target=self._watch, name=f"sandbox-{handle.pid}", daemon=True)
        self._watcher.start()                            # last: it reads what stands above

    def send(self, header: Json, *arrays: np.ndarray) -> None:
        try:
            self._channel.send(header, *arrays)
        except (BrokenPipeError, OSError):
            raise self._why() from None

    def recv(self) -> tuple[Json, list[np.ndarray]]:
        """The next frame. What the task raised is raised here; so is why it died."""
        self._asked = time.monotonic()
        try:
            header, arrays = self._channel.recv()
        except ChildDied:
            raise self._why() from None
        finally:
            self._asked = None
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
        return self._handle.pid

    def kill(self) -> None:
        """End its whole process group, and wait until it is gone."""
        self._over.set()
        self._kill_group()
        self._forge.reap(self._name)
        self._watcher.join()
        self._channel.close()

    def _kill_group(self) -> None:
        """The child leads its session's group; what it forked dies with it. It is not reaped before this, so its number is its own."""
        try:
            os.killpg(self._handle.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return

    def _why(self) -> BaseException:
        if not self._handle.ended.wait(5):
            self._kill_group()
            self._handle.ended.wait(5)
        self._watcher.join(2 * WATCH_S)
        if self._killed:
            return self._killed
        code = self._handle.code
        if code is None:
            return ChildDied("the sandbox's parent process was ended with all its children", "try again: it is started anew")
        last = self.output.strip().splitlines()[-1:] or ["it printed nothing"]
        how = f"was killed by signal {signal.Signals(-code).name}" if code < 0 else f"ended with code {code} and no answer"
        return ChildDied(f"the sandboxed process {how}", f"its last words: {last[0][:300]}")

    def _watch(self) -> None:
        try:
            self._look()
        except Exception as error:  # what is not watched does not run on
            self._killed = SandboxError(f"stopped: it could no longer be watched ({type(error).__name__}: {error})", "try again; is the disk full, or were its files deleted?")
            self._kill_group()

    def _look(self) -> None:
        """Until it is over, or beyond a limit."""
        deadline = time.monotonic() + self._limits.seconds if self._limits.seconds else None
        checked = time.monotonic()
        while not self._over.wait(WATCH_S) and not self._handle.ended.is_set():
            resident = _resident_mb(self._handle.pid, self._alone)
            self.peak_memory_mb = max(self.peak_memory_mb, resident)
            printed = self._capture.stat().st_size
            if deadline and time.monotonic() > deadline:
                self._killed = SandboxTimeout(f"stopped after {self._limits.seconds:g} s", "make it faster, or look for an endless loop")
            elif resident > self._limits.memory_mb:
                self._killed = SandboxMemory(f"stopped at {resident:,.0f} MB of memory, {self._limits.memory_mb:,} MB are allowed", "use less memory")
            elif printed > 64 * self._limits.output_kb * 1024:
                self._killed = SandboxError(f"stopped after printing {printed:,} bytes", "take the prints out")
            elif self.silence_s and (asked := self._asked) and time.monotonic() - asked > self.silence_s:
                self._killed = SandboxTimeout(f"stopped after {self.silence_s:.0f} s without a word", "look for an endless loop")
            elif time.monotonic() - checked > CHECK_S:
                checked = time.monotonic()
                try:
                    self.check()
                except BaseException as error:  # a person's stop, a lost lease, the worker's own end: for whoever reads the child
                    self._killed = error
            if self._killed:
                self._kill_group()
                return


class Sandbox:
    """`readable` and `writable`: the folders and files that the task needs besides the interpreter and this program. `without` leaves layers
    out ("bubblewrap", "landlock", "seccomp", "guard"), for tests of the others."""

    def __init__(self, limits: Limits | None = None, threads: int = 1, device: str = "cpu", readable: Sequence[Path] = (), writable: Sequence[Path] = (),
                 without: Sequence[str] = (), programs: bool = False, sockets: bool = False) -> None:
        self.limits = limits or Limits()
        self.threads = threads
        self.device = device
        self.readable = tuple(str(p.absolute()) for p in readable)
        self.writable = tuple(str(p.absolute()) for p in writable)
        self.without = tuple(without)
        self.programs = programs
        self.sockets = sockets

    @contextmanager
    def open(self, task: str, payload: Json, *arrays: np.ndarray) -> Iterator[Child]:
        """Run `task` (a module under core.) in a child for the length of the block; nothing of it is left afterwards."""
        if not task.startswith("core."):
            raise SandboxError(f"task {task!r} is not ours", "name a module under core.")
        if (self.programs or self.sockets) and not confined(self.device, self.without):
            raise SandboxError(f"neither bubblewrap nor Landlock {landlock.SCOPES_SIGNALS} holds here: no program may be started beside generated code",
                               "install bubblewrap, or do without compiling")
        view = View(self.threads, self.device, "bubblewrap" not in self.without, self.readable, self.writable, self.programs)
        own = bool(self.readable or self.writable)  # a zygote for this task alone: its view of the files is like no other's
        home = Path(tempfile.mkdtemp(prefix="sandbox-"))
        child: Child | None = None
        forge: Forge | None = None
        try:
            try:
                forge, child, hello = self._begun(view, own, task, home)
            except SandboxError:  # nothing generated has run yet: a busy machine may have refused a process or been late, and is asked once more
                forge, child, hello = self._begun(view, own, task, home)
            wrapped = Layer("bubblewrap", forge.bubblewrap, "namespaces of its own, a read-only view, capabilities dropped" if forge.bubblewrap else
                            "left out" if "bubblewrap" in self.without else "not for GPUs" if self.device != "cpu" else "install bubblewrap, and allow user namespaces")
            child.layers = (wrapped, *(Layer(**layer) for layer in hello["layers"]))
            if (self.programs or self.sockets) and not any(layer.held for layer in child.layers if layer.name in ("bubblewrap", "landlock")):
                raise SandboxError("neither bubblewrap nor Landlock could be put on: no program may be started beside generated code", "python -m core doctor")
            if self.sockets and not any(layer.held for layer in child.layers if layer.name == "no network"):
                raise SandboxError("several ranks need a network of their own, and this system gives none", "allow user namespaces, or set RANKS=1")
            child.send({"payload": payload}, *arrays)
            yield child
        finally:
            if child:
                child.kill()
            if own and forge is not None:
                forge.close()
            shutil.rmtree(home, ignore_errors=True)

    def _begun(self, view: View, own: bool, task: str, home: Path) -> tuple[Forge, Child, Json]:
        """(its zygote, the child, its first frame). Raises SandboxError, and leaves nothing then."""
        forge = Forge(view) if own else forges().get(view)
        child: Child | None = None
        try:
            child = self._start(forge, task, home, own)
            return forge, child, child.recv()[0]
        except BaseException:
            if child is not None:
                child.kill()
            if own:
                forge.close()
            raise

    def _start(self, forge: Forge, task: str, home: Path, alone: bool) -> Child:
        inside = f"/tmp/{home.name}" if forge.bubblewrap else str(home / "home")
        settings = Settings(home=inside, readable=[*(str(ROOT / name) for name in OURS), *self.readable], writable=list(self.writable),
                            memory_mb=self.limits.memory_mb, file_mb=self.limits.file_mb, device=self.device, network_is_off=forge.bubblewrap,
                            without=list(self.without), programs=self.programs, sockets=self.sockets)
        capture = home / "output"
        down_read, down_write = os.pipe()
        up_read, up_write = os.pipe()
        with capture.open("wb") as sink:
            try:
                name, handle = forge.fork(task, asdict(settings), [down_read, up_write, sink.fileno()])
            except SandboxError:
                os.close(down_write)
                os.close(up_read)
                raise
            finally:
                os.close(down_read)
                os.close(up_write)
        return Child(forge, name, handle, Channel(os.fdopen(up_read, "rb", buffering=0), os.fdopen(down_write, "wb")), self.limits, capture, alone)


def confined(device: str, without: Sequence[str] = ()) -> bool:
    """Whether files and other processes stay out of reach of programs that a task starts: in a process namespace of their own, or by a Landlock that
    keeps signals inside, since seccomp lets a task that starts programs send them."""
    wrapped = device == "cpu" and "bubblewrap" not in without and bubblewrap_works()
    return wrapped or ("landlock" not in without and landlock.version() >= landlock.SCOPES_SIGNALS)


def layers() -> list[tuple[str, bool, str]]:
    """Each layer, whether it holds on this machine, and how or why not; found by starting a child."""
    with Sandbox(Limits(seconds=20)).open("core.sandbox.probe", {}) as child:
        return [(layer.name, layer.held, layer.why) for layer in child.layers]


def _told(error: Json) -> ModelDiscoveryError:
    kind = error.get("type") if error.get("type") in TELLABLE else "DesignError"
    return getattr(errors, kind)(str(error.get("what", ""))[:4000], str(error.get("mend", ""))[:1000])


def _resident_mb(child: int, alone: bool = False) -> float:
    """Resident memory of a child's process group and of all that descends from it, in whatever session: torchrun gives each rank its own. Where it is
    `alone`, what it left behind is its zygote's and counts too. 0 where /proc is missing, and there only the clock watches."""
    parents: dict[int, int] = {}
    groups: dict[int, int] = {}
    pages: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        parents[pid], groups[pid], pages[pid] = int(fields[1]), int(fields[2]), int(fields[21])
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    counted = {pid for pid, group in groups.items() if group == child}
    left = [child, *(children.get(parents.get(child, 0), []) if alone else [])]
    seen: set[int] = set()
    while left:
        pid = left.pop()
        if pid not in seen:
            seen.add(pid)
            left += children.get(pid, [])
    return sum(pages.get(pid, 0) for pid in counted | seen) * os.sysconf("SC_PAGE_SIZE") / 2**20
