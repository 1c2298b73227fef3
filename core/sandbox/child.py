"""The child's side: started as a script by core/sandbox/run.py with nothing but its frames. It puts the layers on, then runs one task.

A task is a module under `core.` with `main(channel, payload, arrays)`. Its errors go back as frames; an end without an answer is a failure.
"""

from __future__ import annotations

import importlib
import json
import os
import sys


def start() -> None:
    settings = json.loads(sys.argv[1])
    sys.path.insert(0, settings["root"])
    from core.sandbox.channel import Channel
    from core.sandbox.layers import put_on

    layers = put_on(settings["parent"], settings["memory_mb"], settings["file_mb"], settings["cap_address_space"])
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the block prints goes to the capture, never among the frames
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    channel = Channel(source, sink)
    channel.send({"layers": [layer.__dict__ for layer in layers]})
    header, arrays = channel.recv()
    run(channel, header, arrays)


def run(channel, header: dict, arrays: list) -> None:
    from core.errors import ModelDiscoveryError

    try:
        importlib.import_module(header["task"]).main(channel, header["payload"], arrays)
    except ModelDiscoveryError as error:
        channel.send({"error": {"type": type(error).__name__, "what": error.what, "mend": error.mend}})
    except MemoryError:
        channel.send({"error": {"type": "SandboxMemory", "what": "the process ran out of memory", "mend": "use less memory"}})
    except Exception as error:  # the child's edge: what a block raises becomes its verdict
        from core.gab.model import own_frames

        channel.send({"error": {"type": "DesignError", "what": own_frames(error), "mend": ""}})


if __name__ == "__main__":
    start()
