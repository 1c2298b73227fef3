"""The pre-imported process from which children are forked: started as a script with nothing but a control socket and a scrubbed environment.

It imports what tasks need and runs no tensor operation, so that a fork carries no threads. It never runs generated code itself. Each
request brings three descriptors (input, output, prints); the child puts the layers on, then runs one task: a module under `core.` with
`main(channel, payload, arrays)`. Its errors go back as frames; an end without an answer is a failure, whatever the exit code.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile

MESSAGE = 2**16
PR_SET_CHILD_SUBREAPER = 36


def serve(control: socket.socket) -> None:
    """Until the other side of the control socket is gone; then everything that was forked dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what children leave behind comes here, to be ended
    wake_read, wake_write = socket.socketpair()
    wake_write.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
    running: dict[int, str] = {}     # pid → request
    told: set[int] = set()
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is wake_read:
                wake_read.recv(4096)
                _tell_ends(control, running, told)
                continue
            data, fds, _, _ = socket.recv_fds(control, MESSAGE, 3)
            if not data:
                for pid in running:
                    _kill(pid)
                return
            request = json.loads(data)
            if "reap" in request:
                pid = next((p for p, name in running.items() if name == request["reap"]), None)
                if pid is not None:
                    _kill(pid)
                    os.waitpid(pid, 0)
                    running.pop(pid)
                    told.discard(pid)
                _end_strangers(running)
                control.send(json.dumps({"name": request["reap"], "reaped": True}).encode())
                continue
            importlib.import_module(request["task"])  # once, here: later children have it
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                try:
                    _become(control, (wake_read, wake_write), request, fds, parent)
                except SystemExit as error:
                    os._exit(error.code if isinstance(error.code, int) else 0)
                finally:
                    os._exit(1)
            running[pid] = request["name"]
            for fd in fds:
                os.close(fd)


def _tell_ends(control: socket.socket, running: dict[int, str], told: set[int]) -> None:
    """Say who has ended. They stay unreaped until asked, so that their number stays theirs; orphans are ended here."""
    for pid in [p for p in running if p not in told]:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            told.add(pid)
            code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            control.send(json.dumps({"name": running[pid], "code": code}).encode())
    _end_strangers(running)


def _end_strangers(running: dict[int, str]) -> None:
    while strangers := _strangers(running):  # ending one may bring its own children here
        for pid in strangers:
            _kill(pid)
            os.waitpid(pid, 0)


def _strangers(running: dict[int, str]) -> list[int]:
    """Children of this process that it did not fork."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(p) for p in file.read().split() if int(p) not in running]
    except OSError:
        return []


def _kill(pid: int) -> None:
    for end in (os.killpg, os.kill):
        try:
            end(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _become(control: socket.socket, wake: tuple[socket.socket, ...], request: dict, fds: list[int], parent: int) -> None:
    os.setsid()
    control.send(json.dumps({"name": request["name"], "born": True}).encode())  # the kernel adds this process's number as the receiver sees it
    control.close()
    for end in wake:
        end.close()
    from core.sandbox.channel import Channel
    from core.sandbox.layers import Settings, put_on

    for fd, to in ((fds[2], 1), (fds[2], 2)):
        os.dup2(fd, to)  # what a block prints goes to the capture, never among the frames
    os.close(fds[2])
    settings = Settings(**request["settings"])
    os.makedirs(settings.home, exist_ok=True)
    os.chdir(settings.home)
    os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = settings.home
    if settings.programs:
        os.environ["TORCHINDUCTOR_CACHE_DIR"], os.environ["TRITON_CACHE_DIR"] = f"{settings.home}/inductor", f"{settings.home}/triton"
    layers = put_on(settings, parent)
    channel = Channel(os.fdopen(fds[0], "rb"), os.fdopen(fds[1], "wb"))
    channel.send({"layers": [layer.__dict__ for layer in layers]})
    header, arrays = channel.recv()
    run(channel, request["task"], header["payload"], arrays)
    sys.stdout.flush()
    os._exit(0)


def run(channel, task: str, payload: dict, arrays: list) -> None:
    from core.sandbox.verdict import verdict

    try:
        importlib.import_module(task).main(channel, payload, arrays)
    except Exception as error:  # the child's edge: what a block raises becomes its verdict
        channel.send(verdict(error))


def start() -> None:
    settings = json.loads(sys.argv[1])
    sys.path.insert(0, settings["root"])
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    for name in settings["preload"]:
        importlib.import_module(name)
    control = socket.socket(fileno=settings["control"])
    control.send(json.dumps({"ready": True}).encode())
    serve(control)


if __name__ == "__main__":
    start()
