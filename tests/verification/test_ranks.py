"""Several ranks: what they sum, what they go on from, and what a block may do in one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_verification import NANO_TEXT, PICO, work

from core.config import Config
from core.errors import Cancelled, DesignError, VerificationError
from core.types import CurvePoint
from core.verification.train import trained
from core.verification.training import launch
from core.verification.training.corpus import prepare
from core.verification.training.ranks import Ranks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
SHORT = replace(PICO, tokens=8 * 1024, precision="float32")

BLOCK = """
import torch
from torch import nn
from core.gab import GABBase

class GAB(GABBase):
    def __init__(self, embed_dim, block_loc, device=None, dtype=None, hidden=64):
        super().__init__(embed_dim, block_loc)
        self.up = nn.Linear(embed_dim, hidden, device=device, dtype=dtype)
        self.down = nn.Linear(hidden, embed_dim, device=device, dtype=dtype)

    def _forward(self, X, **Z):
        LINE
        return X + self.down(torch.relu(self.up(X))), Z

gab_config = {}
"""

RANK = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from torch import nn
from core.verification.training.ranks import Ranks
ranks = Ranks("cpu")
both, one, neither = (nn.Parameter(torch.ones(2)) for _ in range(3))
both.grad = torch.full((2,), 1.0 + ranks.rank)
if ranks.rank == 1:
    one.grad = torch.full((2,), 5.0)
loss = ranks.summed(0.5, [one, neither, both], "cpu")
torch.manual_seed(ranks.rank)
states = ranks.random("cpu")
drawn = torch.rand(3)
ranks.go_on(states)
print(loss, both.grad.tolist(), one.grad.tolist(), neither.grad, torch.equal(drawn, torch.rand(3)), len(states), torch.equal(states[0][0], states[1][0]),
      ranks.agreed((ranks.rank == 0, ranks.rank == 1), "cpu"), sep="|")
ranks.close()
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "text.txt").write_text(NANO_TEXT)
    return prepare(str(folder / "text.txt"), PICO.vocab_size, Config.from_env({"DATA_DIR": str(folder / "data")}))


def test_a_parameter_that_one_rank_did_not_reach_is_summed_as_zeros_and_the_first_ranks_clock_decides():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    env = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
    ranks = [subprocess.Popen([sys.executable, "-c", RANK, str(ROOT)], env={**env, "RANK": str(r)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for r in range(2)]
    told = [rank.communicate(timeout=100) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], told[0][1] + told[1][1]
    assert [out.strip() for out, _ in told] == ["1.0|[3.0, 3.0]|[5.0, 5.0]|None|True|2|False|[True, False]"] * 2


def test_one_rank_agrees_with_itself_and_goes_on_from_its_own_state():
    ranks = Ranks("cpu")
    assert ranks.agreed((True, False), "cpu") == [True, False]
    states = ranks.random("cpu")
    drawn = torch.rand(3)
    ranks.go_on(states)
    assert torch.equal(torch.rand(3), drawn)


def test_a_block_that_draws_goes_on_exactly_over_two_ranks(corpus, tmp_path: Path):
    code = BLOCK.replace("LINE", "X = nn.functional.dropout(X, 0.2, self.training)")

    def run(folder: Path, stop_at: int | None = None) -> dict[int, float]:
        losses: dict[int, float] = {}

        def point(p: CurvePoint) -> None:
            losses[p.step] = p.loss
            if p.step == stop_at:
                raise Cancelled("stopped", "")

        one = work(corpus, folder, code, SHORT, on_point=point, config={"RANKS": "2", "CHECKPOINT_S": "0"}, on_event=lambda kind, data: told.append((kind, data)))
        one.folder.mkdir(parents=True, exist_ok=True)
        trained(one)
        return losses

    told: list[tuple[str, dict]] = []
    calm = run(tmp_path / "calm")
    with pytest.raises(Cancelled):
        run(tmp_path / "hurt", stop_at=4)
    again = run(tmp_path / "hurt")
    (begun,) = [data["from_step"] for kind, data in told if kind == "resumed"]
    assert begun > 0
    assert again == calm, "what was told before is told again"


def test_a_ranks_block_meets_the_interpreters_guard_and_its_error_is_the_designs(corpus, tmp_path: Path):
    one = work(corpus, tmp_path, BLOCK.replace("LINE", "open('/etc/passwd').read() if len(X) else None"), SHORT, config={"RANKS": "2"})
    one.folder.mkdir(parents=True)
    with pytest.raises(DesignError, match=r"the sandbox does not let a block read '/etc/passwd'.*gab\.py:\d+"):
        trained(one)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
def test_a_full_disk_at_the_launch_is_told_with_its_mend(tmp_path: Path):
    (tmp_path / launch.PAYLOAD).symlink_to("/dev/full")
    with pytest.raises(VerificationError, match=r"disk under .* is full.*free some space"):
        launch.main(None, {"folder": str(tmp_path), "ranks": 2, "threads": 1}, [])
