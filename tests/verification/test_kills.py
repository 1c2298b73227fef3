"""Twenty kills at random moments, most of them in the middle of a checkpoint's write, and a full disk at each write: the run ends where an undisturbed one does."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_verification import NANO_TEXT, PICO, REFERENCES, work

from core.config import Config
from core.errors import VerificationError
from core.verification.train import RECORD, RUN, WEIGHTS, trained
from core.verification.training.corpus import prepare

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS = 20

# One process that has imported torch and forks trainings, each killed some moments after it began to step; the last runs to its end. A checkpoint is written after
# every step, so that most kills strike in the middle of one.
HARNESS = """
import json, os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from core.verification.training.child import train
payload, delays = json.loads(sys.argv[2]), json.loads(sys.argv[3])
path = payload["folder"] + "/frames"
open(path, "wb").close()
for delay in [*delays, None]:
    had = os.path.getsize(path)
    pid = os.fork()
    if pid == 0:
        out = os.open(path, os.O_WRONLY | os.O_APPEND)
        train(payload, lambda header: os.write(out, json.dumps(header).encode() + b"\\n"))
        os._exit(0)
    if delay is not None:
        while b"point" not in open(path, "rb").read()[had:] and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.005)
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
"""


def frames(folder: Path, payload: dict, delays: list[float]) -> list[dict]:
    folder.mkdir()
    done = subprocess.run([sys.executable, "-c", HARNESS, str(ROOT), json.dumps({**payload, "folder": str(folder)}), json.dumps(delays)], capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in (folder / "frames").read_text().splitlines()]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "text.txt").write_text(NANO_TEXT)
    return prepare(str(folder / "text.txt"), PICO.vocab_size, Config.from_env({"DATA_DIR": str(folder / "data")}))


def test_twenty_kills_leave_the_same_weights_and_no_half_written_file(corpus, tmp_path: Path):
    one = work(corpus, tmp_path, scale=replace(PICO, tokens=100 * 1024))
    payload = {"code": REFERENCES["gpt2"], "scale": one.identity["scale"], "seed": 0, "reference_code": REFERENCES["gpt2"], "corpus": str(corpus.dir),
               "bytes_per_token": corpus.bytes_per_token, "identity": one.identity, "device": "cpu", "threads": 1, "precision": one.precision, "kernels": list(one.kernels),
               "compile": False, "checkpoint_s": 0.0, "at_most_s": None, "rows": None, "ranks": 1}
    calm = frames(tmp_path / "calm", payload, [])
    rng = random.Random(4)
    hurt = frames(tmp_path / "hurt", payload, [rng.uniform(0.0, 0.1) for _ in range(KILLS)])
    assert sum("fit" in f for f in hurt) == KILLS + 1
    assert sum("resumed" in f for f in hurt) > KILLS / 2
    told_again = [hurt[i + 1]["point"]["step"] <= f["resumed"] for i, f in enumerate(hurt) if "resumed" in f and "point" in hurt[i + 1]]
    assert told_again, "who followed may have died before it wrote the last points down"
    assert all(told_again)
    assert [f["point"]["loss"] for f in calm if "point" in f] == list({f["point"]["step"]: f["point"]["loss"] for f in hurt if "point" in f}.values())
    weights = [hashlib.sha256((tmp_path / name / WEIGHTS).read_bytes()).hexdigest() for name in ("calm", "hurt")]
    assert weights[0] == weights[1]
    assert calm[-1]["train_loss"] == hurt[-1]["train_loss"]
    assert len(list((tmp_path / "hurt").glob("step-*.pt"))) <= 2


def test_a_full_disk_at_each_write_loses_nothing(corpus, tmp_path: Path):
    (tmp_path / "calm" / "ckpt").mkdir(parents=True)
    calm = trained(work(corpus, tmp_path / "calm"))
    told: list[tuple[str, dict]] = []
    hurt = work(corpus, tmp_path / "hurt", config={"CHECKPOINT_S": "0"}, on_event=lambda kind, data: told.append((kind, data)))
    run = hurt.folder / RUN
    run.mkdir(parents=True)
    (run / "step-00000003.tmp").mkdir()  # a write that cannot be made is told, and the training goes on
    (run / "weights.tmp" / "in the way").mkdir(parents=True)
    with pytest.raises(VerificationError, match=r"weights.* cannot be written.*free some space"):
        trained(hurt)
    assert [data["step"] for kind, data in told if kind == "no_checkpoint"] == [3]
    assert not (hurt.folder / WEIGHTS).exists()
    shutil.rmtree(run / "weights.tmp")
    blocked = hurt.folder / RECORD.replace(".json", ".tmp")
    blocked.mkdir()
    with pytest.raises(VerificationError, match=r"trained\.json cannot be written"):
        trained(hurt)
    blocked.rmdir()
    assert not (hurt.folder / RECORD).exists()
    resumed = trained(hurt)
    assert resumed["weights"] == calm["weights"]
    assert resumed["train_loss"] == calm["train_loss"]
    assert [kind for kind, _ in told].count("resumed") == 2
