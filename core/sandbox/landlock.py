"""Landlock: which files this process may touch from now on, whoever it runs as (Salaün 2021; kernel documentation, userspace-api/landlock).

It does not cover chmod, chown, utime and extended attributes: core/sandbox/seccomp.py forbids these. Where the kernel is new enough it also
forbids TCP and signals to processes outside.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

CREATE, ADD, RESTRICT = 444, 445, 446    # system calls, the same on x86-64 and arm64
EXECUTE, WRITE, READ, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}      # how many file rights a version of the interface knows
TRUNCATE, IOCTL = 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE | READ | TRUNCATE | IOCTL
TCP, SIGNALS_AND_SOCKETS = 0b11, 0b11
SCOPES_SIGNALS = 6                       # the version that keeps them inside


class RulesetAttr(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def version() -> int:
    """The kernel's; 0 without Landlock."""
    if sys.platform != "linux":
        return 0
    return max(0, ctypes.CDLL(None, use_errno=True).syscall(CREATE, None, 0, 1))


def restrict(readable: Sequence[Path], writable: Sequence[Path], programs: bool = False, sockets: bool = False) -> str:
    """Apply it to this process and all that it starts. Paths that are not there are left out. Raises OSError where the kernel has no Landlock.

    `programs`: what is readable may be executed too; `sockets`: TCP is left to the network namespace.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    abi = _checked(libc.syscall(CREATE, None, 0, 1))
    rights = (1 << BY_ABI.get(abi, 16)) - 1
    attr = RulesetAttr(rights, TCP if abi >= 4 and not sockets else 0, SIGNALS_AND_SOCKETS if abi >= SCOPES_SIGNALS else 0)
    ruleset = _checked(libc.syscall(CREATE, ctypes.byref(attr), 8 if abi < 4 else 16 if abi < 6 else 24, 0))
    try:
        for allowed, paths in ((READ | READ_DIR | (EXECUTE if programs else 0), readable), (rights & ~EXECUTE, writable)):
            for path in paths:
                _add(libc, ruleset, path, allowed & rights)
        _checked(libc.syscall(RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)
    more = (", TCP" if abi >= 4 and not sockets else "") + (", signals" if abi >= SCOPES_SIGNALS else "")
    return f"version {abi}: files outside its own folders{more} are out of reach"


def _add(libc: ctypes.CDLL, ruleset: int, path: Path, allowed: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = PathBeneath(allowed if path.is_dir() else allowed & OF_FILES, fd)
        _checked(libc.syscall(ADD, ruleset, 1, ctypes.byref(rule), 0))
    finally:
        os.close(fd)


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
