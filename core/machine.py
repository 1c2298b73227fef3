"""Which machine this is, without asking torch, so that a page may know too."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from core.config import Config
from core.types import Verification

UNKNOWN_GPU = "GPU"
# How long OpenMP's threads spin before they sleep. At its own default two threads that wait for each other, beside one other busy program, made an evaluation seven
# to twelve times slower; with this not twice, and no slower alone (2 cores, torch 2.13, libgomp).
POLITE = {"GOMP_SPINCOUNT": "1000"}


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def wait_politely() -> None:
    """For this process; OpenMP reads it when torch is loaded, so call it before."""
    for name, value in POLITE.items():
        os.environ.setdefault(name, value)


def processor() -> str:
    """The model's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def gpu() -> str:
    """The first GPU's model as the driver tells it."""
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("Model:"):
                return line.removeprefix("Model:").strip()
    return UNKNOWN_GPU


@dataclass(frozen=True)
class Machine:
    """The kind of machine that times hold for."""

    key: str                         # as a verification's provenance says under "processor"
    device: str                      # cpu or cuda

    def made(self, row: Verification) -> bool:
        """Whether the verification ran on this kind; one that does not say is taken to have."""
        said = row.provenance
        alike = said.get("processor", self.key) == self.key or self.key.startswith(UNKNOWN_GPU)
        return alike and str(said.get("device", self.device)).startswith(self.device)


def this_machine(config: Config) -> Machine:
    """A GPU is there when its device file is."""
    device = (config.device or ("cuda" if Path("/dev/nvidia0").exists() else "cpu")).split(":")[0]
    if device == "cuda":
        return Machine(f"{gpu()} × {max(1, config.ranks)}", device)
    return Machine(f"{processor()}, {config.threads or cores()} threads", device)
