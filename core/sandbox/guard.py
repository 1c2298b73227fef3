"""The interpreter's own audit hook (PEP 578) as the last layer: it refuses what a block has no business with, on every system.

It stops Python code, not machine code; where Landlock and seccomp are missing it is what keeps files and other processes out of reach.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FORBIDDEN = ("os.symlink", "os.link", "socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.kill", "os.startfile",
             "pty.", "ctypes.dlopen", "ctypes.dlsym", "ctypes.call_function", "ctypes.string_at", "ctypes.wstring_at", "ctypes.cdata", "ctypes.addressof",
             "shutil.", "ftplib.", "smtplib.", "urllib.", "http.", "webbrowser.", "resource.setrlimit", "resource.prlimit", "signal.pthread_kill",
             "gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys.settrace", "sys.setprofile", "sys._current_frames", "sys.addaudithook", "sqlite3.", "fcntl.")
CHANGES = ("os.chmod", "os.chown", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.utime", "os.setxattr",
           "os.removexattr", "os.mkfifo", "os.mknod", "os.chflags", "os.lockf")
LOOKS = ("os.listdir", "os.scandir", "os.walk", "os.fwalk", "glob.glob", "pathlib.Path.glob", "os.chdir", "os.listxattr", "os.getxattr")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _disarm() -> None:
    """torch's own reader and writer open files below the interpreter, where no hook is asked: they keep files that are open, and lose names."""
    import torch

    for name in ("PyTorchFileWriter", "PyTorchFileReader"):
        native = getattr(torch._C, name)

        def opened(target: Any, *args: Any, native: Any = native, **settings: Any) -> Any:
            if isinstance(target, (str, bytes, os.PathLike)):
                raise PermissionError(f"the sandbox does not let a block open {target!r} by torch")
            return native(target, *args, **settings)

        setattr(torch._C, name, opened)


OF_PROGRAMS = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.kill", "ctypes.", "shutil.", "fcntl.", "gc.get_")
OF_SOCKETS = ("socket.",)


def install(readable: Sequence[Path], writable: Sequence[Path], programs: bool = False, sockets: bool = False) -> str:
    """For good: a hook cannot be taken away. A compiler's own Python uses what `programs` lets through."""
    through = (OF_PROGRAMS if programs else ()) + (OF_SOCKETS if sockets else ())
    forbidden = tuple(name for name in FORBIDDEN if not through or not name.startswith(through))
    may_write = tuple(os.path.realpath(p) for p in writable)
    may_read = may_write + tuple(os.path.realpath(p) for p in readable)

    def under(path: Any, roots: tuple[str, ...]) -> bool:
        if isinstance(path, int) or path is None:
            return True  # a descriptor it has already
        try:
            real = os.path.realpath(os.fsdecode(path))
        except (TypeError, ValueError, OSError):
            return False
        return any(real == root or real.startswith(root + "/") for root in roots)

    def hook(event: str, args: tuple) -> None:
        if event == "open":
            path, mode, flags = args
            writes = bool(isinstance(flags, int) and flags & WRITES) or (isinstance(mode, str) and any(c in mode for c in "wax+"))
            if not under(path, may_write if writes else may_read):
                raise PermissionError(f"the sandbox does not let a block {'write' if writes else 'read'} {path!r}")
        elif event in CHANGES:
            if not all(under(arg, may_write) for arg in args if isinstance(arg, (str, bytes))):
                raise PermissionError(f"the sandbox does not let a block use {event} at {args[0]!r}")
        elif event in LOOKS:
            if args and not under(args[0] or ".", may_read):
                raise PermissionError(f"the sandbox does not let a block look into {args[0]!r}")
        elif event.startswith(forbidden):
            raise PermissionError(f"the sandbox does not let a block use {event}")

    _disarm()
    sys.addaudithook(hook)
    return "the interpreter refuses files outside its folders" + ("" if programs else ", processes, foreign functions") + ("" if sockets else ", sockets")
