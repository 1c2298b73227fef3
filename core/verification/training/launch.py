"""One training over several ranks: torchrun, started inside the sandbox, in an empty network with nothing but its loopback.

torchrun hands no pipe to its ranks, so the first one appends its frames to a file in the folder, which is read here and passed on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from core.config import ROOT
from core.errors import VerificationError
from core.sandbox import guard
from core.sandbox.channel import Channel
from core.sandbox.forge import OURS
from core.sandbox.layers import reach
from core.sandbox.verdict import SPACE_MEND, disk_full, verdict
from core.types import Json
from core.verification.training.child import train

PAYLOAD, FRAMES, WORDS = "ranks.json", "ranks.frames", "ranks.log"
POLL_S = 0.05
MIN_FREE = 2**20             # bytes; with less a rank could not say why it ended
SEEN = ("train.bin", "watch.bin", "watch.json")      # of the corpus


def main(channel: Channel, payload: Json, arrays: list) -> None:
    """The frames of `train`; an error of any rank ends all of them."""
    try:
        _launch(channel, payload, Path(payload["folder"]))
    except OSError as error:
        if disk_full(error):
            raise _full(Path(payload["folder"])) from error
        raise VerificationError(f"torchrun cannot be started or followed: {error}", "python -m core doctor; or set RANKS=1") from error


def _full(folder: Path) -> VerificationError:
    return VerificationError(f"the disk under {folder} is full", SPACE_MEND)


def _launch(channel: Channel, payload: Json, folder: Path) -> None:
    (folder / PAYLOAD).write_text(json.dumps(payload))
    (folder / FRAMES).write_bytes(b"")
    command = [sys.executable, "-s", "-m", "torch.distributed.run", "--nnodes=1", f"--nproc-per-node={payload['ranks']}", "--rdzv-backend=c10d",
               "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1", "--max-restarts=0", str(Path(__file__).with_name("rank.py")), str(folder)]
    env = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": str(payload["threads"]), "PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / WORDS).open("wb") as words:
        process = subprocess.Popen(command, cwd=str(folder), env=env, stdin=subprocess.DEVNULL, stdout=words, stderr=words)
    with (folder / FRAMES).open("rb") as frames:
        rest = b""
        while True:
            ended = process.poll() is not None
            rest += frames.read()
            *lines, rest = rest.split(b"\n")
            for line in lines:
                header = json.loads(line)
                channel.send(header)
                if header.get("done") or "error" in header:
                    process.wait(30)
                    return
            if ended:
                if os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize < MIN_FREE:
                    raise _full(folder)
                last = [line for line in (folder / WORDS).read_text(errors="replace").splitlines() if "Error" in line] or ["it printed nothing"]
                raise VerificationError(f"torchrun ended with code {process.returncode} and no result: {last[0].strip()[:400]}", f"see {folder / WORDS}; RANKS must not exceed the GPUs of this machine")
            time.sleep(POLL_S)


def rank(folder: Path) -> None:
    """One rank's process."""
    payload = json.loads((folder / PAYLOAD).read_text())
    with (folder / FRAMES).open("ab", buffering=0) as frames:

        def send(header: Json, *_: Any) -> None:
            frames.write(json.dumps(header).encode() + b"\n")

        try:
            _guarded(payload, folder)
            train(payload, send)
        except Exception as error:  # the child's edge, as in core/sandbox/zygote.py
            send(verdict(error))
            raise SystemExit(1) from None


def _guarded(payload: Json, folder: Path) -> None:
    """The interpreter's guard: unlike the kernel's layers, it is not inherited by a program that is started."""
    seen = [*(str(ROOT / name) for name in OURS), *(str(Path(payload["corpus"]) / name) for name in SEEN)]
    guard.install(*reach(payload["device"], os.environ["HOME"], seen, [str(folder)]), programs=True, sockets=True)

