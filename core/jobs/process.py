"""Naming a process so that it can be told whether it still lives: host, boot, pid and start time."""

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


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{socket.gethostname()}/{boot.read_text().strip() if boot.exists() else ''}"


def _started(pid: int) -> str:
    """Field 22 of /proc/PID/stat; a zombie counts as gone. Empty when unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
