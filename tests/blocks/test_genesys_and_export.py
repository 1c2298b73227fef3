"""Blocks come in from Genesys and go out to it, to a file of their own, and to transformers, and stay the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

from core.errors import UsageError
from core.gab.fit import fit
from core.gab.hub import Trained, write_hub_folder
from core.gab.model import GAM, load_block
from core.gab.references import load_references
from core.gab.scales import load_scales
from core.gab.standalone import for_genesys, standalone
from core.types import Fit, Scale

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = {r.slug: r.code for r in load_references(ROOT / "library")} | {"genesys": (ROOT / "tests" / "fixtures" / "genesys_gab.py").read_text()}
IDS = torch.randint(97, (2, 33), generator=torch.Generator().manual_seed(0))


def executed(code: str) -> tuple[type, dict]:
    """As somebody without this project would."""
    module = sys.modules["block"] = ModuleType("block")
    exec(compile(code, "block.py", "exec"), module.__dict__)
    return module.GAB, module.gab_config


def outputs(block: type, config: dict, state: dict | None = None) -> tuple[torch.Tensor, dict]:
    model = GAM(block, config, 97, 64, 3, seed=1, dtype=torch.float64).eval()
    if state:
        model.load_state_dict(state, strict=True)
    with torch.no_grad():
        return model(IDS), model.state_dict()


def test_a_genesys_block_fits_and_learns_unedited():
    scale = load_scales(ROOT / "library" / "scales.yaml")["nano"]
    found = fit(CODE["genesys"], scale, CODE["gpt2"])
    assert abs(found.off_by) <= scale.tolerance
    model = GAM(*load_block(CODE["genesys"]), 97, 64, 2, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(model(IDS[:, :-1]).flatten(0, 1), IDS[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("slug", sorted(CODE))
def test_what_is_exported_computes_the_same(slug: str):
    expected, state = outputs(*load_block(CODE[slug]))
    ours, theirs = for_genesys(CODE[slug]), standalone(CODE[slug])
    assert "from core" not in ours + theirs
    assert torch.equal(outputs(*load_block(ours), state)[0], expected)
    block, config = executed(theirs)
    with torch.no_grad():
        blocks = [block(64, (i, 3), dtype=torch.float64, **config) for i in range(3)]
        X, Z = state["embedding.weight"][IDS], {}
        for i, one in enumerate(blocks):
            one.load_state_dict({k.removeprefix(f"blocks.{i}."): v for k, v in state.items() if k.startswith(f"blocks.{i}.")})
            X, Z = one(X, **Z)
        assert torch.equal(torch.nn.functional.rms_norm(X, (64,), state["norm.weight"], 1e-6) @ state["embedding.weight"].T, expected)


def test_a_standalone_file_needs_torch_alone(tmp_path: Path):
    (tmp_path / "block.py").write_text(standalone(CODE["rwkv7"]))
    words = "import torch; from block import GAB, gab_config; Y, Z = GAB(64, (0, 1), **gab_config)(torch.randn(1, 5, 64)); print(tuple(Y.shape), sorted(Z))"
    done = subprocess.run([sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '.'); {words}"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 5, 64) ['rwkv7_v_first']"


UNSAVED = """
import torch
from torch import nn
from core.gab import GABBase


class GAB(GABBase):
    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.mix = nn.Linear(embed_dim, embed_dim, device=device, dtype=dtype)
        self.register_buffer("slope", torch.linspace(0.5, 1.5, embed_dim, device=device, dtype=dtype), persistent=False)

    def _forward(self, X):
        return X + self.mix(X) * self.slope


gab_config = {}
"""


@pytest.fixture(scope="module", autouse=True)
def module_cache(tmp_path_factory) -> Iterator[None]:
    """Where transformers copies a folder's code to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        yield


def hub_folder(tmp_path: Path, code: str) -> tuple[Path, GAM]:
    scale = Scale("tiny", 3, 64, 64, 300, 300, 64, 1e-3)
    model = GAM(*load_block(code), scale.vocab_size, 64, 3, seed=5).eval()
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    tokenizer = Tokenizer(models.BPE({"<|endoftext|>": 0, "a": 1, "b": 2}, []))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    trained = Trained(code, scale, Fit(3, 64, 1, 1, 1), tmp_path / "weights.safetensors", tmp_path / "tokenizer.json", "# card")
    return write_hub_folder(trained, tmp_path / "out", ROOT / "library" / "export" / "modeling_gab.py"), model


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["gpt2", "mamba", "rwkv7", "hyena", "genesys", "unsaved"])
def test_a_hub_folder_loads_with_automodel_and_answers_alike(tmp_path: Path, slug: str):
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    folder, model = hub_folder(tmp_path, UNSAVED if slug == "unsaved" else CODE[slug])
    loaded = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True).eval()
    assert AutoConfig.from_pretrained(folder, trust_remote_code=True).num_hidden_layers == 3
    assert AutoTokenizer.from_pretrained(folder, trust_remote_code=True)("ab").input_ids == [1, 2]
    ids = IDS[:, :20]
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, model(ids))
        assert loaded(ids, labels=ids).loss == pytest.approx(torch.nn.functional.cross_entropy(model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item())
        grown = loaded.generate(ids[:1, :4], max_new_tokens=3, do_sample=False, eos_token_id=None)
    assert grown.shape == (1, 7)
    assert grown[0, 4] == model(ids[:1, :4])[0, -1].argmax()
    with pytest.raises(ValueError, match="padding_side"):
        loaded(ids, attention_mask=torch.tensor([[0, 1], [1, 1]]).repeat_interleave(10, 1))
    again = tmp_path / "again"
    loaded.save_pretrained(again)
    with torch.no_grad():
        assert torch.equal(AutoModelForCausalLM.from_pretrained(again, trust_remote_code=True).eval()(ids).logits, model(ids))


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(UsageError, match="is there already"):
        hub_folder(tmp_path, CODE["gpt2"])
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]
    (tmp_path / "other").mkdir()
    folder, _ = hub_folder(tmp_path / "other", CODE["gpt2"])
    assert json.loads((folder / "config.json").read_text())["model_type"] == "gab"
    assert not list(folder.parent.glob(".export-*"))
