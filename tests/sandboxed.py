"""Looking at the processes that sandboxes leave, or should not."""

from __future__ import annotations

import os
from pathlib import Path


def running_children() -> list[int]:
    """Processes forked by a zygote, of whatever program: zygotes themselves have bubblewrap or another program as their parent.

    Those under another test run's process are its own business: the lanes of the tests run beside each other. What has lost its parents counts.
    """
    stats: dict[int, tuple[int, bytes]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            stats[int(stat.parent.name)] = (int(stat.read_text().rpartition(")")[2].split()[1]), (stat.parent / "cmdline").read_bytes())
        except OSError:
            continue

    def zygote(pid: int) -> bool:
        return b"core/sandbox/zygote.py" in stats.get(pid, (0, b""))[1] and not stats[pid][1].startswith((b"bwrap", b"/usr/bin/bwrap"))

    def of_another_run(pid: int) -> bool:
        while pid in stats and pid != os.getpid():
            parent, program = stats[pid]
            if any(part.endswith(b"pytest") for part in program.split(b"\0")[:3]):
                return True
            pid = parent
        return False

    return [pid for pid, (parent, _) in stats.items() if zygote(parent) and not of_another_run(pid)]
