"""What a task raised, as the frame that tells of it: whose fault it is decides whether a design is judged by it.

The words may be the block's own, so they choose among a few kinds and no more: one that feigns to be out of memory is tried with ever smaller
batches, and that ends. A full disk is believed only where the block had no part in the write.
"""

from __future__ import annotations

import errno
import traceback

from core.errors import ModelDiscoveryError
from core.types import Json

NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "defaultcpuallocator")
NO_SPACE = ("no space left on device", "disk quota exceeded")
FULL = (errno.ENOSPC, errno.EDQUOT)
SPACE_MEND = "free some space or set CKPT_DIR, then retry the job: it goes on from the last checkpoint"


def verdict(error: Exception) -> Json:
    """{"error": {"type", "what", "mend"}}"""
    for cause in _causes(error):
        if out_of_memory(cause):
            return frame("SandboxMemory", f"the process ran out of memory: {_line(cause)}", "use less memory")
    if isinstance(error, ModelDiscoveryError):
        return frame(type(error).__name__, error.what, error.mend)
    from core.gab.model import FILENAME, own_frames

    if disk_full(error) and not any(f.filename == FILENAME for f in traceback.extract_tb(error.__traceback__)):
        return frame("VerificationError", f"the disk is full: {_line(error)}", SPACE_MEND)
    return frame("DesignError", own_frames(error), "")


def frame(kind: str, what: str, mend: str) -> Json:
    return {"error": {"type": kind, "what": what, "mend": mend}}


def out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, RuntimeError) and (type(error).__name__ == "OutOfMemoryError" or _says(error, NO_MEMORY))


def disk_full(error: BaseException) -> bool:
    """torch and safetensors write below the interpreter and tell of the disk in words."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    return (isinstance(error, (OSError, RuntimeError)) or type(error).__name__ == "SafetensorError") and _says(error, NO_SPACE)


def _causes(error: BaseException) -> list[BaseException]:
    """It and what it was raised from, the last first; at most eight, since a block may tie them into a ring."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and len(chain) < 8:
        chain.append(cause)
    return chain


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    said = str(error).lower()
    return any(w in said for w in words)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
