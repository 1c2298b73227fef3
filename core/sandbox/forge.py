"""The parent's side of the zygote: `Forge.fork(…)` gives a child in milliseconds. Where bubblewrap works, the zygote and all its children live in
namespaces of their own: no network, no other processes, a read-only view of the interpreter and this program alone, a sized memory disk for /tmp.
"""

from __future__ import annotations

import array
import atexit
import functools
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from core.config import ROOT
from core.errors import ChildDied, SandboxError
from core.machine import POLITE
from core.types import Json

KEPT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT")  # of the parent's environment
PRELOAD = ("torch", "torch._dynamo", "torch.utils.checkpoint", "numpy", "einops", "core.sandbox.channel", "core.sandbox.layers", "core.sandbox.verdict", "core.gab.model", "core.gab.fit", "resource")
START_S = 120.0                      # importing torch from a cold disk
TMP_MB = 256                         # of the memory disk
CREDENTIALS = getattr(socket, "SCM_CREDENTIALS", 2)
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives", "/etc/hosts", "/sys/devices/system/cpu")
OURS = ("core", "library")           # what a child may read of this program


@dataclass(frozen=True)
class View:
    """What a zygote's children have in common."""

    threads: int = 1
    device: str = "cpu"
    bubblewrap: bool = True
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    programs: bool = False


class Handle:
    """A forked child, by its number as this process sees it."""

    def __init__(self) -> None:
        self.pid = 0
        self.code: int | None = None
        self.born = threading.Event()
        self.ended = threading.Event()
        self.gone = threading.Event()


class Forge:
    def __init__(self, view: View) -> None:
        self.view = view
        self.bubblewrap = view.bubblewrap and view.device == "cpu" and bubblewrap_works()
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._handles: dict[str, Handle] = {}
        self._over = False
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if hasattr(socket, "SO_PASSCRED"):
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._control = ours
        # The thread outlives whoever asked for the zygote: bubblewrap dies with the thread that started it.
        self._process: subprocess.Popen | None = None
        self._words = b""
        self._listener: threading.Thread | None = None
        threading.Thread(target=self._run, args=(theirs,), name="forge", daemon=True).start()
        if not self._ready.wait(START_S) or self._over:
            self.close()
            if self._listener is not None:
                self._listener.join(2)  # its last words may still be on their way
            raise SandboxError(f"the sandbox did not start: {self._words.decode('utf-8', 'replace').strip()[-500:] or 'no answer'}", "python -m core doctor")

    @property
    def alive(self) -> bool:
        return not self._over

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def fork(self, task: str, settings: Json, fds: Sequence[int]) -> tuple[str, Handle]:
        """Raises ChildDied when the zygote is gone."""
        name, handle = uuid.uuid4().hex, Handle()
        with self._lock:
            self._handles[name] = handle
            try:
                socket.send_fds(self._control, [json.dumps({"name": name, "task": task, "settings": settings}).encode()], list(fds))
            except OSError:
                self._over = True
                raise ChildDied("the sandbox's parent process is gone", "try again: it is started anew") from None
        if not handle.born.wait(30) or not handle.pid:
            raise ChildDied("the sandbox's parent process does not answer", "try again: it is started anew")
        return name, handle

    def reap(self, name: str) -> None:
        """The child has ended, or is to end now: nothing of it is left after this."""
        handle = self._handles.get(name)
        with self._lock:
            try:
                self._control.send(json.dumps({"reap": name}).encode())
            except OSError:
                self._over = True
        if handle is not None and not self._over:
            handle.gone.wait(10)
        self._handles.pop(name, None)

    def close(self) -> None:
        self._over = True
        self._control.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _run(self, theirs: socket.socket) -> None:
        settings = {"root": str(ROOT), "preload": PRELOAD, "control": theirs.fileno()}
        command = [sys.executable, "-s", "-P", "-B", str(ROOT / "core" / "sandbox" / "zygote.py"), json.dumps(settings)]
        try:
            self._process = subprocess.Popen(
                [*(self._wrapped(theirs.fileno()) if self.bubblewrap else ()), *command], cwd="/", env=environment(self.view.threads, self.view.programs), pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            self._words, self._over = str(error).encode(), True
            self._ready.set()
            return
        theirs.close()
        self._listener = threading.Thread(target=self._listen, args=(self._process,), name="forge-words", daemon=True)
        self._listener.start()
        self._receive()

    def _listen(self, process: subprocess.Popen) -> None:
        while chunk := process.stderr.read1(4096):
            self._words = (self._words + chunk)[-4096:]

    def _receive(self) -> None:
        size = struct.calcsize("3i")
        while True:
            try:
                data, ancillary, _, _ = self._control.recvmsg(2**16, socket.CMSG_SPACE(size))
            except OSError:
                data = b""
            if not data:
                break
            message = json.loads(data)
            if message.get("ready"):
                self._ready.set()
                continue
            handle = self._handles.get(message["name"])
            if handle is None:
                continue
            if "born" in message:
                handle.pid = next((array.array("i", part[:size])[0] for level, kind, part in ancillary if kind == CREDENTIALS), 0)
                handle.born.set()
            elif "reaped" in message:
                handle.gone.set()
            else:
                handle.code = message["code"]
                handle.ended.set()
        self._over = True
        for handle in list(self._handles.values()):
            handle.born.set()
            handle.ended.set()
            handle.gone.set()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._ready.set()

    def _wrapped(self, control: int) -> list[str]:
        """bubblewrap's command line."""
        out = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--cap-drop", "ALL", "--die-with-parent", "--proc", "/proc", "--dev", "/dev",
               "--size", str(TMP_MB * 2**20), "--tmpfs", "/tmp"]
        seen: set[str] = set()
        for path in (*SYSTEM, sys.prefix, sys.base_prefix, *(str(ROOT / name) for name in OURS), *self.view.readable):
            if path not in seen:
                out += ["--ro-bind-try", path, path]
                seen.add(path)
        for path in self.view.writable:
            out += ["--bind", path, path]
        return [*out, "--remount-ro", "/", "--chdir", "/tmp", "--"]



def environment(threads: int, programs: bool = False) -> dict[str, str]:
    """All that a zygote's process is ever given of this one's, before it is started: its memory never held a key."""
    n = str(threads)
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {
        "PATH": "/usr/bin:/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": n, "MKL_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "MALLOC_MMAP_THRESHOLD_": "268435456", "MALLOC_TRIM_THRESHOLD_": "1073741824",  # tensors come from the heap, not from fresh pages
        **POLITE, **({"TORCHINDUCTOR_COMPILE_THREADS": "1"} if programs else {"TORCH_COMPILE_DISABLE": "1"})}


@functools.cache
def bubblewrap_works() -> bool:
    """Found by using it."""
    program = shutil.which("bwrap")
    if program is None or sys.platform != "linux":
        return False
    command = [program, "--ro-bind", "/", "/", "--unshare-all", "--cap-drop", "ALL", "--die-with-parent", "--proc", "/proc", "--dev", "/dev", "true"]
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class Forges:
    """The zygotes of this process, one a view; started when first needed, ended with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forges: dict[View, Forge] = {}
        atexit.register(self.close)

    def get(self, view: View) -> Forge:
        with self._lock:
            forge = self._forges.get(view)
            if forge is None or not forge.alive:
                forge = self._forges[view] = Forge(view)
            return forge

    def close(self) -> None:
        with self._lock:
            for forge in self._forges.values():
                forge.close()
            self._forges.clear()


@functools.cache
def forges() -> Forges:
    return Forges()

