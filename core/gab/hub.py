"""A verified design as a folder that transformers loads: AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True). Loads no torch.

    config.json  generation_config.json  model.safetensors  modeling_gab.py  block.py  tokenizer.json  tokenizer_config.json  README.md
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigError, UsageError
from core.gab.standalone import standalone
from core.types import Fit, Json, Scale


@dataclass(frozen=True)
class Trained:
    """What goes into the folder."""

    code: str
    scale: Scale
    fit: Fit
    weights: Path
    tokenizer: Path
    card: str                        # Markdown
    end_id: int = 0                  # the token between documents


def write_hub_folder(trained: Trained, out: Path, modelling: Path) -> Path:
    """All or nothing: `out` must not exist, or be an empty folder. Raises UsageError, ConfigError."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already", "name a folder that does not exist")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=out.parent, prefix=".export-"))
        try:
            _fill(trained, scratch, modelling)
            if out.is_dir():
                out.rmdir()
            os.replace(scratch, out)
            out.chmod(0o755)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror or error}", "free some space, or name another folder") from error
    return out


def _fill(trained: Trained, folder: Path, modelling: Path) -> None:
    shutil.copyfile(trained.weights, folder / "model.safetensors")
    shutil.copyfile(trained.tokenizer, folder / "tokenizer.json")
    shutil.copyfile(modelling, folder / "modeling_gab.py")
    (folder / "block.py").write_text(standalone(trained.code), encoding="utf-8")
    (folder / "README.md").write_text(trained.card, encoding="utf-8")
    ends: Json = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), trained.end_id)
    end = _word(trained.tokenizer, trained.end_id)
    config = {
        "model_type": "gab", "architectures": ["GABForCausalLM"],
        "auto_map": {"AutoConfig": "modeling_gab.GABConfig", "AutoModelForCausalLM": "modeling_gab.GABForCausalLM"},
        "vocab_size": trained.scale.vocab_size, "hidden_size": trained.fit.d_model, "num_hidden_layers": trained.fit.n_layers,
        "max_position_embeddings": trained.scale.context, "dtype": "float32", "tie_word_embeddings": False, **ends}  # the head reads the embedding itself
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": end, "eos_token": end, "pad_token": end, "padding_side": "right",
                 "model_max_length": trained.scale.context, "clean_up_tokenization_spaces": False}
    for name, data in (("config.json", config), ("generation_config.json", {**ends, "use_cache": False}), ("tokenizer_config.json", tokenizer)):
        (folder / name).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def _word(tokenizer: Path, id: int) -> str:
    """A token's text, as tokenizer.json has it."""
    data = json.loads(tokenizer.read_text(encoding="utf-8"))
    added = {token["id"]: token["content"] for token in data.get("added_tokens", ())}
    vocabulary = data["model"].get("vocab", {})
    return added.get(id) or next((word for word, n in vocabulary.items() if n == id), "<|endoftext|>")
