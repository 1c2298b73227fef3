"""The layers that a child puts on itself before it loads anything that was generated. Each is applied and its outcome told, never assumed.

What these layers do not stop: reading files that the user may read, writing files the user may write, using the GPU and the processor up to the
wall clock, many small files, threads, and a block that forges the child's answers. A fuller jail belongs behind this same door.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
VIRTUAL_MB = 16 * 1024               # torch maps gigabytes that it never touches; this much above the cap on resident memory


@dataclass(frozen=True)
class Layer:
    name: str
    held: bool
    why: str


def put_on(parent: int, memory_mb: int, file_mb: int, cap_address_space: bool) -> list[Layer]:
    """Apply every layer to this process; which held."""
    tries: list[tuple[str, Callable[[], str]]] = [
        ("dies with parent", lambda: _die_with(parent)),
        ("no new privileges", lambda: _prctl(PR_SET_NO_NEW_PRIVS, 1, "setuid programs give no rights")),
        ("limits", lambda: _limits(memory_mb if cap_address_space else 0, file_mb)),
        ("no network", _no_network),
    ]
    layers = [Layer("own process", True, "its own session, environment scrubbed, clock and resident memory watched from outside")]
    for name, apply in tries:
        try:
            layers.append(Layer(name, True, apply()))
        except OSError as error:
            layers.append(Layer(name, False, error.strerror or str(error)))
    return layers


def _die_with(parent: int) -> str:
    words = _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, "the kernel kills it when its parent dies")
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the signal was set
    return words


def _limits(memory_mb: int, file_mb: int) -> str:
    """Raises OSError where the system refuses one."""
    caps = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: file_mb * 2**20, resource.RLIMIT_NOFILE: 512}
    if memory_mb:
        caps[resource.RLIMIT_AS] = (memory_mb + VIRTUAL_MB) * 2**20
    for what, cap in caps.items():
        hard = resource.getrlimit(what)[1]
        cap = cap if hard == resource.RLIM_INFINITY else min(cap, hard)
        try:
            resource.setrlimit(what, (cap, cap))
        except ValueError as error:
            raise OSError(str(error)) from error
    return f"files up to {file_mb} MB, 512 open, no core dumps" + (f", {memory_mb} MB above torch's own address space" if memory_mb else "")


def _no_network() -> str:
    """A network namespace of its own, empty; as an ordinary user inside a user namespace."""
    if sys.platform != "linux":
        raise OSError("only Linux has network namespaces")
    if _libc().unshare(CLONE_NEWNET) and _libc().unshare(CLONE_NEWUSER | CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, f"{os.strerror(error)}: unprivileged user namespaces are off (sysctl kernel.apparmor_restrict_unprivileged_userns=0 allows them)")
    return "an empty network namespace"


def _prctl(option: int, value: int, words: str) -> str:
    if sys.platform != "linux":
        raise OSError("only Linux has prctl")
    if _libc().prctl(option, value, 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return words


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
