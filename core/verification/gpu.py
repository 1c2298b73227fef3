"""What a GPU can do, and what it has used."""

from __future__ import annotations

import ctypes
import functools

# Dense bfloat16 FLOP/s from the makers' data sheets; the first name that the device's contains counts.
PEAKS = (("H200", 989e12), ("H100 PCIe", 756e12), ("H100 NVL", 835e12), ("H100", 989e12), ("A100", 312e12), ("L40S", 362e12), ("L4", 121e12), ("A40", 150e12),
         ("A10", 125e12), ("RTX 4090", 165e12), ("RTX 3090", 71e12), ("RTX A6000", 155e12), ("V100", 125e12))


def peak_flops(name: str) -> float | None:
    """None for a device that is not in the table: then its use is not told."""
    return next((peak for known, peak in PEAKS if known in name), None) if name else None


def energy_kj() -> float | None:
    """What all NVIDIA GPUs of this machine have used since their driver was loaded, in kilojoules; None where it is not told (NVML, millijoules)."""
    library = _nvml()
    if library is None:
        return None
    count, total = ctypes.c_uint(), 0
    if library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
        return None
    for i in range(count.value):
        device, used = ctypes.c_void_p(), ctypes.c_ulonglong()
        if library.nvmlDeviceGetHandleByIndex_v2(i, ctypes.byref(device)) or library.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(used)):
            return None
        total += used.value
    return total / 1e6


@functools.cache
def _nvml() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    return None if library.nvmlInit_v2() else library
