"""What the sandbox lets through where it must let something through, whose fault an error is, and what is counted as a child's memory."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from core.errors import ContractError, SandboxError, SandboxMemory, VerificationError
from core.sandbox import landlock
from core.sandbox.forge import bubblewrap_works
from core.sandbox.run import Limits, Sandbox, _resident_mb, _told, confined
from core.sandbox.verdict import verdict

ROOT = Path(__file__).resolve().parent.parent.parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="seccomp and /proc are Linux's")

TRIES = """
import errno, socket, sys
sys.path.insert(0, sys.argv[1])
from core.sandbox import seccomp
seccomp.restrict(sockets=True, datagrams=sys.argv[2] == "datagrams")
def tried(make):
    try:
        made = make()
    except OSError as error:
        return errno.errorcode[error.errno]
    for one in made if isinstance(made, tuple) else (made,):
        one.close()
    return "made"
S = socket
print(*(tried(make) for make in (
    lambda: S.socket(S.AF_INET, S.SOCK_STREAM), lambda: S.socket(S.AF_INET6, S.SOCK_DGRAM), lambda: S.socket(S.AF_NETLINK, S.SOCK_RAW, 0), lambda: S.socketpair(),
    lambda: S.socket(S.AF_NETLINK, S.SOCK_RAW, 12), lambda: S.socket(S.AF_UNIX, S.SOCK_STREAM), lambda: S.socket(S.AF_PACKET, S.SOCK_RAW),
    lambda: S.socket(S.AF_VSOCK, S.SOCK_STREAM), lambda: S.socketpair(S.AF_UNIX, S.SOCK_DGRAM), lambda: S.socket(S.AF_UNIX, S.SOCK_DGRAM | S.SOCK_NONBLOCK))))
"""


@linux
@pytest.mark.parametrize("datagrams", ["none", "datagrams"])
def test_ranks_get_the_sockets_of_their_own_network_and_none_that_reach_a_path(datagrams: str):
    done = subprocess.run([sys.executable, "-c", TRIES, str(ROOT), datagrams], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    *found, unix_datagram = done.stdout.split()
    assert found == ["made"] * 4 + ["EAFNOSUPPORT"] * 5
    assert unix_datagram == ("made" if datagrams == "datagrams" else "EAFNOSUPPORT")


def test_programs_need_processes_of_their_own_or_a_landlock_that_keeps_signals_inside(monkeypatch):
    assert confined("cpu") == (bubblewrap_works() or landlock.version() >= 6)
    for version, device, without, held in ((5, "cuda", (), False), (6, "cuda", (), True), (5, "cpu", ("bubblewrap",), False), (5, "cpu", (), bubblewrap_works()),
                                           (7, "cpu", ("bubblewrap", "landlock"), False)):
        monkeypatch.setattr(landlock, "version", lambda version=version: version)
        assert confined(device, without) is held, (version, device, without)
    monkeypatch.setattr(landlock, "version", lambda: 5)
    with pytest.raises(SandboxError, match="no program may be started"), Sandbox(without=("bubblewrap",), programs=True).open("core.sandbox.probe", {}):
        pass


def raised(error: Exception, filename: str = "elsewhere.py") -> Exception:
    """`error`, as raised from a line of the file."""
    try:
        exec(compile("raise error", filename, "exec"), {"error": error})
    except Exception as found:
        return found
    raise AssertionError


def wrapped(cause: Exception) -> Exception:
    error = ContractError("GAB cannot be built", "take less")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("error", [
    MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"),
    wrapped(RuntimeError("DefaultCPUAllocator: not enough memory"))])
def test_memory_that_lacks_is_not_the_designs_fault(error: Exception):
    assert isinstance(_told(verdict(raised(error, "gab.py"))["error"]), SandboxMemory)


@pytest.mark.parametrize("error", [
    OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "Disk quota exceeded"),
    RuntimeError("PytorchStreamWriter failed writing file: No space left on device"),
    type("SafetensorError", (Exception,), {})("Error while serializing: I/O error: No space left on device (os error 28)")])
def test_a_full_disk_is_told_with_its_mend_unless_the_block_says_so_itself(error: Exception):
    told = _told(verdict(raised(error))["error"])
    assert type(told) is VerificationError
    assert "free some space" in told.mend
    assert verdict(raised(error, "gab.py"))["error"]["type"] == "DesignError"


def test_a_blocks_own_errors_stay_its_own():
    for error in (RuntimeError("shapes differ"), ValueError("out of memory"), KeyError("no space left on device")):
        assert verdict(raised(error, "gab.py"))["error"]["type"] == "DesignError"
    assert verdict(ContractError("what", "mend"))["error"] == {"type": "ContractError", "what": "what", "mend": "mend"}
    ring = RuntimeError("one")
    ring.__cause__ = other = RuntimeError("two")
    other.__cause__ = ring
    assert verdict(ring)["error"]["type"] == "DesignError"


@linux
def test_memory_is_counted_over_all_that_descends_from_a_child_in_whatever_session():
    eater = "import time; held = bytearray(200 * 2**20); held[::4096] = b'x' * len(held[::4096]); print('ready', flush=True); time.sleep(60)"
    launcher = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {eater!r}], start_new_session=True).wait()"
    started = subprocess.Popen([sys.executable, "-c", launcher], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert started.stdout.readline() == b"ready\n"
        assert 200 < _resident_mb(started.pid) < 400
    finally:
        for pid in Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split():
            os.kill(int(pid), 9)
        started.wait(10)
        started.stdout.close()


@pytest.mark.slow
def test_a_start_that_failed_is_tried_once_more(monkeypatch):
    sandbox = Sandbox(Limits(seconds=20))
    begun, tries = sandbox._begun, []

    def fails_first(*args):
        tries.append(time.monotonic())
        if len(tries) == 1:
            raise SandboxError("the sandbox did not start: no answer", "python -m core doctor")
        return begun(*args)

    monkeypatch.setattr(sandbox, "_begun", fails_first)
    with sandbox.open("core.sandbox.probe", {}) as child:
        assert list(child.frames())[-1][0] == {"done": True}
    assert len(tries) == 2
    monkeypatch.setattr(sandbox, "_begun", lambda *args: (_ for _ in ()).throw(SandboxError("the sandbox did not start: no answer", "")))
    with pytest.raises(SandboxError, match="did not start"), sandbox.open("core.sandbox.probe", {}):
        pass


def test_the_watcher_finds_a_whole_child_however_soon_it_begins(monkeypatch):
    """A machine so busy that whoever starts the watcher goes on only after the watcher's first look."""
    start = threading.Thread.start

    def start_and_be_late(thread: threading.Thread) -> None:
        start(thread)
        if thread.name.startswith("sandbox-"):
            thread.join(0.3)

    monkeypatch.setattr(threading.Thread, "start", start_and_be_late)
    with Sandbox(Limits(seconds=20)).open("core.sandbox.probe", {}) as child:
        assert child._watcher.is_alive() or child._handle.ended.is_set()
        assert child.peak_memory_mb > 0


def test_a_child_that_cannot_be_watched_is_ended():
    with Sandbox(Limits(seconds=20)).open("core.checker.child", {"code": "", "scale": {}, "reference_code": "", "threads": 1}) as child:
        child._capture.unlink()
        with pytest.raises(SandboxError, match="could no longer be watched"):
            child.recv()
