"""The app and a worker, started together and ended together."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from core.build import BuildSystem
from core.config import ROOT, Config
from core.desk import Desk
from core.errors import ConfigError
from core.types import Json
from core.users import is_loopback, somebody_can_sign_in

HEALTH_S = 60
RESTARTS = 5                         # of a worker that dies by itself; then it is said, and the app stays up


@dataclass
class Child:
    name: str
    process: subprocess.Popen
    log: Path


def serve(config: Config, host: str, port: int, check: bool) -> tuple[Json, str, int]:
    """Run until Ctrl-C; with `check`, until both answer. Raises ConfigError when the port is taken."""
    port = port or int(os.environ.get("PORT") or 8501)
    _somebody_can_enter(config, host)
    _free_port(host, port)
    started = time.monotonic()
    for sign in _ends():
        signal.signal(sign, signal.default_int_handler)
    config.make_dirs()
    app = _start("app", _app_command(host, port), config)  # it comes up while the database is made ready
    children = [app]
    try:
        desk = BuildSystem(config).open()
        children += [_start_worker(k, config) for k in range(max(1, config.workers))]
        url = f"http://{host}:{port}"
        _await_health(url, app, desk, wait_for_worker=check)
        took = time.monotonic() - started
        summary = {"url": url, "seconds": round(took, 1), "designs": len(desk.store.designs.all()),
                   "workers": len(desk.queue.workers()), "data_dir": str(config.data_dir)}
        if check:
            words = "\n".join(f"  {name:<9} {value}" for name, value in summary.items())
            return summary, f"healthy\n{words}", 0
        print(f"Model Discovery is at {url} (after {took:.1f} s). Data in {config.data_dir}. Ctrl-C stops it.", flush=True)
        _watch(children, config)
        return summary, "", 1
    except KeyboardInterrupt:
        print("\nstopping: what was done is kept, running jobs go on from their last checkpoint", flush=True)
        return {"stopped": True}, "", 0
    finally:
        _stop(children)


def _somebody_can_enter(config: Config, host: str) -> None:
    """An address that other machines reach wants people to sign in. Raises ConfigError when nobody could."""
    open_to_all = not is_loopback(host)
    if open_to_all and config.sign_in == "off":
        print(f"sign-in is off, and {host} is reached from other machines: whoever opens the page has all rights", file=sys.stderr, flush=True)
    elif (open_to_all or config.sign_in == "on") and not somebody_can_sign_in(config):
        why = f"{host} is reached from other machines" if open_to_all else "SIGN_IN=on"
        raise ConfigError(f"{why}, and nobody could sign in: there are no users yet", "python -m core users add NAME --role admin, then start again; without sign-in for all who reach it: SIGN_IN=off")


def _app_command(host: str, port: int) -> list[str]:
    return [sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "server.py"), "--server.address", host, "--server.port", str(port),
            "--server.headless", "true"]


def _start(name: str, command: list[str], config: Config) -> Child:
    """A process group of its own, so that one Ctrl-C reaches it only through us, and it can be ended whole."""
    log = config.data_dir / f"{name}.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_end_with_us if sys.platform == "linux" else None)
    return Child(name, process, log)


def _end_with_us() -> None:
    """A supervisor that is killed outright leaves no app and no worker behind: the kernel ends them (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)


def _free_port(host: str, port: int) -> None:
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"{host}:{port} cannot be served: {getattr(error, 'strerror', None) or error}",
                          f"stop what uses it, or choose another: bash run_demo.sh --port {port + 1}") from error


def _await_health(url: str, app: Child, desk: Desk, wait_for_worker: bool) -> None:
    deadline = time.monotonic() + HEALTH_S
    while time.monotonic() < deadline:
        if app.process.poll() is not None:
            raise ConfigError(f"the app ended with code {app.process.returncode}: {_last_line(app.log)}", f"see {app.log}")
        if _answers(f"{url}/_stcore/health") and (desk.queue.workers() or not wait_for_worker):
            return
        time.sleep(0.1)
    raise ConfigError(f"no answer from {url} within {HEALTH_S} s", f"see {app.log}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _watch(children: list[Child], config: Config) -> None:
    """Until the app ends. A worker that dies is started again: its job resumes from the last checkpoint."""
    restarts = 0
    while True:
        time.sleep(0.5)
        for i, child in enumerate(children):
            if child.process.poll() is None:
                continue
            if child.name == "app" or restarts >= RESTARTS:
                print(f"the {child.name} ended with code {child.process.returncode}: {_last_line(child.log)} — see {child.log}", flush=True)
                return
            restarts += 1
            print(f"the worker ended with code {child.process.returncode}; starting it again ({restarts} of {RESTARTS})", flush=True)
            children[i] = _start_worker(i - 1, config)


def _start_worker(k: int, config: Config) -> Child:
    return _start("worker" if k == 0 else f"worker-{k + 1}", [sys.executable, "-m", "core", "worker"], config)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no output"


def _ends() -> list[signal.Signals]:
    """What ends us. A shell's `&` makes SIGINT ignored, which we undo; nohup makes SIGHUP ignored, which is meant."""
    return [signal.SIGINT, signal.SIGTERM] + ([signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else [])


def _stop(children: list[Child]) -> None:
    """A second Ctrl-C does not leave a child behind: the wait is short, and ends by force."""
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)
    for child in children:
        _signal(child, signal.SIGTERM)
    for child in children:
        try:
            child.process.wait(10)
        except subprocess.TimeoutExpired:
            _signal(child, signal.SIGKILL)
            child.process.wait()


def _signal(child: Child, sign: signal.Signals) -> None:
    if child.process.poll() is None:
        os.killpg(child.process.pid, sign)
