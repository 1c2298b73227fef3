"""Naming a process so that it can be told whether it still lives: host, boot, pid namespace, pid and start time."""

from __future__ import annotations

import os
import socket
from pathlib import Path

SEPARATOR = "|"


def process_id(pid: int | None = None) -> str:
    """A process's name; pids are reused, so its start time (clock ticks since boot) belongs to it."""
    pid = os.getpid() if pid is None else pid
    return SEPARATOR.join([_machine(), str(pid), _started(pid)])


def is_dead(process: str) -> bool:
    """Whether the process is known to be gone. One on another machine, or where /proc is missing, never is: its lease decides."""
    machine, _, rest = process.partition(SEPARATOR)
    pid, _, started = rest.partition(SEPARATOR)
    if machine != _machine() or not started or not pid.isdigit():
        return False
    return _started(int(pid)) != started


def host_and_pid(process: str) -> tuple[str, int]:
    """What a person wants to see of a process's name."""
    machine, pid, _ = process.split(SEPARATOR)
    return machine.partition("/")[0], int(pid)


def _machine() -> str:
    """Two containers may share a host's name and boot; their pids are counted in different namespaces."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    known = boot.exists() and namespace.is_symlink()
    return f"{socket.gethostname()}/{boot.read_text().strip()}/{namespace.readlink()}" if known else f"{socket.gethostname()}/"


def _started(pid: int) -> str:
    """Field 22 of /proc/PID/stat; a zombie counts as gone. Empty when unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
