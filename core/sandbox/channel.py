"""Frames between parent and child: a JSON header and raw array buffers. Nothing is ever unpickled.

    4 bytes  length of the header, big-endian
    header   JSON; "arrays": [{"dtype", "shape"}] describes the buffers that follow, in order
"""

from __future__ import annotations

import contextlib
import json
import math
import struct
from typing import BinaryIO

import numpy as np

from core.errors import ChildDied, SandboxError
from core.types import Json

LENGTH = struct.Struct(">I")
MAX_HEADER = 4 * 2**20
MAX_ARRAYS = 2**30
DTYPES = ("float32", "float64", "int32", "int64", "uint16", "uint8", "bool")


class Channel:
    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink

    def send(self, header: Json, *arrays: np.ndarray) -> None:
        described = [{"dtype": str(a.dtype), "shape": list(a.shape)} for a in arrays]
        text = json.dumps({**header, "arrays": described}).encode()
        self._sink.write(LENGTH.pack(len(text)) + text)
        for array in arrays:
            self._sink.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
        self._sink.flush()

    def close(self) -> None:
        for end in (self._source, self._sink):
            with contextlib.suppress(OSError):  # what was not sent to a child that is gone
                end.close()

    def recv(self) -> tuple[Json, list[np.ndarray]]:
        """Raises ChildDied at the end of the stream, SandboxError on a frame that breaks the rules."""
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if length > MAX_HEADER:
            raise SandboxError(f"a frame's header of {length:,} bytes, more than {MAX_HEADER:,}", "the child does not keep the protocol")
        try:
            header = json.loads(self._exactly(length))
            described = [(_dtype(a["dtype"]), tuple(_side(n) for n in a["shape"])) for a in header.pop("arrays")]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SandboxError(f"a frame that is no frame: {error!r}", "the child does not keep the protocol") from None
        total = sum(dtype.itemsize * math.prod(shape) for dtype, shape in described)
        if total > MAX_ARRAYS:
            raise SandboxError(f"a frame of {total:,} bytes, more than {MAX_ARRAYS:,}", "the child does not keep the protocol")
        arrays = [np.frombuffer(self._exactly(dtype.itemsize * math.prod(shape)), dtype).reshape(shape) for dtype, shape in described]
        return header, arrays

    def _exactly(self, n: int) -> bytearray:
        data = bytearray(n)
        view, got = memoryview(data), 0
        while got < n:
            count = self._source.readinto(view[got:])
            if not count:
                raise ChildDied("the stream ended", "")
            got += count
        return data


def _dtype(name: str) -> np.dtype:
    if name not in DTYPES:
        raise ValueError(f"dtype {name!r}")
    return np.dtype(name)


def _side(n: object) -> int:
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise ValueError(f"side {n!r}")
    return n
