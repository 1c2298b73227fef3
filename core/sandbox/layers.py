"""The layers that a child puts on itself before it loads anything that was generated. Each is applied and its outcome told, never assumed.

A task that compiles may start programs, and one of several ranks may use sockets in its own empty network: then seccomp and the guard let just that through,
and where neither bubblewrap nor a Landlock that keeps signals inside (version 6, Linux 6.12) holds, no such task is started.

Around them stands bubblewrap (core/sandbox/forge.py), where it works. What no layer stops: burning the processor and a GPU up to the wall clock.
On macOS only limits, the scrubbed environment and the guard hold; on a GPU bubblewrap is left out and devices are open.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.sandbox import guard, landlock, seccomp

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SLACK_MB = 2048                      # thread stacks and allocators' arenas, above what is held at the start and the cap
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/sys/devices/system/cpu", "/proc/cpuinfo", "/proc/meminfo", "/proc/self",
          "/dev/urandom", "/dev/random", "/dev/zero")
DEVICES = ("/dev", "/sys", "/proc", "/run/nvidia-persistenced", "/etc")     # what CUDA opens


@dataclass(frozen=True)
class Layer:
    name: str
    held: bool
    why: str


@dataclass(frozen=True)
class Settings:
    """Of one child; travels to it as JSON."""

    home: str
    readable: list[str]
    writable: list[str]
    memory_mb: int
    file_mb: int
    device: str = "cpu"
    network_is_off: bool = False     # by bubblewrap
    without: list[str] = field(default_factory=list)    # layers left out, for tests of the others
    programs: bool = False           # it may start programs: a compiler
    sockets: bool = False            # it may talk to its own ranks, in a network of its own


def put_on(settings: Settings, parent: int) -> list[Layer]:
    """Apply every layer to this process; which held."""
    cpu = settings.device == "cpu"
    readable, writable = reach(settings.device, settings.home, settings.readable, settings.writable)
    tries: list[tuple[str, Callable[[], str]]] = [
        ("dies with parent", lambda: _die_with(parent)),
        ("no new privileges", lambda: _prctl(PR_SET_NO_NEW_PRIVS, 1, "setuid programs give no rights")),
        ("limits", lambda: _limits(settings.memory_mb if cpu else 0, settings.file_mb)),
        ("no network", lambda: "an empty network namespace" if settings.network_is_off else _no_network(settings.sockets)),
        ("landlock", lambda: landlock.restrict(readable, writable, settings.programs, settings.sockets)),
        ("seccomp", lambda: seccomp.restrict(settings.programs, settings.sockets, datagrams=not cpu)),
        ("guard", lambda: guard.install(readable, writable, settings.programs, settings.sockets))]
    layers = [Layer("own process", True, "its own session, environment scrubbed, clock and resident memory watched from outside")]
    for name, apply in tries:
        if name in settings.without:
            layers.append(Layer(name, False, "left out"))
            continue
        try:
            layers.append(Layer(name, True, apply()))
        except OSError as error:
            layers.append(Layer(name, False, error.strerror or str(error)))
    return layers


def reach(device: str, home: str, readable: Sequence[str], writable: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """(what a task may read, what it may write), with what every task needs."""
    cpu = device == "cpu"
    return ([Path(p) for p in (*SYSTEM, *(() if cpu else DEVICES), sys.prefix, sys.base_prefix, *readable)],
            [Path(p) for p in (home, "/dev/null", *(() if cpu else ("/dev",)), *writable)])


def _die_with(parent: int) -> str:
    words = _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, "the kernel kills it when its parent dies")
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the signal was set
    return words


def _limits(memory_mb: int, file_mb: int) -> str:
    """Raises OSError where the system refuses one. Memory is counted from what the process holds now: libraries map gigabytes that they never touch."""
    caps = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: file_mb * 2**20, resource.RLIMIT_NOFILE: 256}
    if memory_mb:
        held = _held_mb()
        caps[resource.RLIMIT_AS] = (held["VmSize"] + memory_mb + 4 * SLACK_MB) * 2**20
        caps[resource.RLIMIT_DATA] = (held["VmData"] + memory_mb + SLACK_MB) * 2**20
    for what, cap in caps.items():
        hard = resource.getrlimit(what)[1]
        cap = cap if hard == resource.RLIM_INFINITY else min(cap, hard)
        try:
            resource.setrlimit(what, (cap, cap))
        except ValueError as error:
            raise OSError(str(error)) from error
    return f"files up to {file_mb} MB, 256 open, no core dumps" + (f", {memory_mb} MB of memory besides what libraries map" if memory_mb else "")


def _held_mb() -> dict[str, int]:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return {"VmSize": 16384, "VmData": 4096}
    found = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines if line.startswith(("VmSize", "VmData"))}
    return {"VmSize": 16384, "VmData": 4096} | found


def _no_network(loopback: bool) -> str:
    """A network namespace of its own, empty but for its loopback where that is wanted; as an ordinary user inside a user namespace."""
    if sys.platform != "linux":
        raise OSError("only Linux has network namespaces")
    if _libc().unshare(CLONE_NEWNET) and _libc().unshare(CLONE_NEWUSER | CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, f"{os.strerror(error)}: unprivileged user namespaces are off (sysctl kernel.apparmor_restrict_unprivileged_userns=0 allows them)")
    if loopback:
        _loopback_up()
    return "an empty network namespace"


def _loopback_up() -> None:
    """SIOCSIFFLAGS on lo (netdevice(7)): a fresh namespace has it down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, 0x8914, struct.pack("16sh14x", b"lo", 0x1))


def _prctl(option: int, value: int, words: str) -> str:
    if sys.platform != "linux":
        raise OSError("only Linux has prctl")
    if _libc().prctl(option, value, 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return words


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
