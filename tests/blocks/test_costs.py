"""Costs before training: parameters exactly, FLOPs by hand, memory against what a training takes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.checker.costs import measure_costs, shipped_costs
from core.errors import ConfigError, DesignError
from core.gab.costs import costs
from core.gab.fit import fit
from core.gab.model import GAM, count_params, load_block
from core.gab.references import load_references
from core.gab.scales import load_scales
from core.types import sha256_text

ROOT = Path(__file__).resolve().parent.parent.parent
SCALES = load_scales(ROOT / "library" / "scales.yaml")
CODE = {r.slug: r.code for r in load_references(ROOT / "library")}


def counted(slug: str, scale: str):
    found = fit(CODE[slug], SCALES[scale], CODE["gpt2"])
    return costs(*load_block(CODE[slug]), SCALES[scale], found), found


@pytest.mark.parametrize("scale", ["nano", "micro", "70M"])
def test_gpt2_s_flops_are_those_of_the_hand_formula(scale: str):
    """2 a weight of every matrix, 4·l·d a layer for scores and values; backward twice the products, and attention's scores once more."""
    found, size = counted("gpt2", scale)
    d, n, length, vocab = size.d_model, size.n_layers, SCALES[scale].context, SCALES[scale].vocab_size
    matrices, attention, head = n * 2 * 12 * d * d, n * 4 * length * d, 2 * vocab * d
    assert found.flops_infer == matrices + attention + head
    assert found.flops_train == 3 * (matrices + head) + 3.5 * attention


@pytest.mark.parametrize("slug", sorted(CODE))
def test_parameters_are_counted_exactly(slug: str):
    found, size = counted(slug, "nano")
    model = GAM(*load_block(CODE[slug]), SCALES["nano"].vocab_size, size.d_model, size.n_layers)
    assert (found.params, found.params_embedding) == count_params(model)
    assert 2.4 < found.flops_train / found.flops_infer < 3.6


MEASURE = r"""
import re, sys
from pathlib import Path
import torch
from core.gab.costs import LIBRARIES_MB, resident_mb
from core.gab.fit import fit
from core.gab.loss import token_loss
from core.gab.model import GAM, load_block
from core.gab.scales import load_scales
process = resident_mb() + LIBRARIES_MB
torch.set_num_threads(1)
scale, code = load_scales(Path("library/scales.yaml"))["nano"], Path(sys.argv[1]).read_text()
size = fit(code, scale, Path("library/designs/gpt2/gab.py").read_text())
model = GAM(*load_block(code), scale.vocab_size, size.d_model, size.n_layers)
optimizer = torch.optim.AdamW(model.parameters(), fused=True)
for _ in range(4):
    ids = torch.randint(scale.vocab_size, (scale.batch_tokens // scale.context, scale.context + 1))
    token_loss(model.hidden(ids[:, :-1]), model.embedding.weight, ids[:, 1:]).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
# The high water of this program only: ru_maxrss would bring along that of the process which started it
print(process, int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["gpt2", "llama", "retnet", "rwkv6", "ttt", "mamba", "mamba2", "rwkv7", "jamba", "hyena"])
def test_memory_is_estimated_within_a_quarter_of_what_training_at_nano_takes(slug: str):
    done = subprocess.run([sys.executable, "-c", MEASURE, f"library/designs/{slug}/gab.py"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    process, measured = map(float, done.stdout.split())
    estimated = replace(counted(slug, "nano")[0], process_mb=process).peak_mb
    assert abs(estimated / measured - 1) < 0.25, f"estimated {estimated:.0f} MB, measured {measured:.0f} MB"


def test_the_child_counts_each_scale_and_names_what_it_cannot(tmp_path: Path):
    chosen = [SCALES["nano"], SCALES["14M"]]
    found = dict(measure_costs(CODE["llama"], chosen, CODE["gpt2"]))
    assert found[SCALES["nano"]].params == counted("llama", "nano")[0].params
    assert found[SCALES["14M"]].peak_mb > found[SCALES["nano"]].peak_mb > 200
    by_number = CODE["llama"].replace("class GAB(ComposedGAB):", "class GAB(ComposedGAB):\n    def _forward(self, X, **Z):\n        return X[:, : int(X.sum())], {}\n")
    with pytest.raises(DesignError, match=r"costs at nano cannot be counted.*"):
        list(measure_costs(by_number, chosen, CODE["gpt2"]))


def test_the_library_ships_the_costs_of_every_reference_at_every_scale():
    shipped = {(code_hash, scale.name): found for code_hash, scale, found in shipped_costs(ROOT / "library", SCALES.values())}
    for slug, code in CODE.items():
        for scale in SCALES:
            assert (sha256_text(code), scale) in shipped, f"{slug} at {scale}: python -m core.checker.costs counts it"
    assert shipped[sha256_text(CODE["gpt2"]), "nano"].flops_train == counted("gpt2", "nano")[0].flops_train


def test_a_broken_table_of_costs_is_named(tmp_path: Path):
    assert shipped_costs(tmp_path, SCALES.values()) == []
    (tmp_path / "costs.json").write_text("{")
    with pytest.raises(ConfigError, match=r"costs\.json cannot be read"):
        shipped_costs(tmp_path, SCALES.values())
