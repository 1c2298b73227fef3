"""Taking a design out: its gab.py, the same for Genesys, or a trained model as a Hugging Face folder."""

from __future__ import annotations

import json
from pathlib import Path

from core.config import Config
from core.errors import CodeError, ConfigError, NotFound, UsageError
from core.gab.hub import Trained, write_hub_folder
from core.gab.standalone import for_genesys, standalone
from core.store import Store
from core.types import Fit, Implementation, Scale, Verification

FORMATS = {
    "gab": "gab.py as it is",
    "standalone": "gab.py with the contract inside: it needs torch alone",
    "genesys": "gab.py for Genesys (arXiv 2506.20249)",
    "hf": "a Hugging Face folder with trained weights",
}
WEIGHTS = "weights.safetensors"


def exported_code(made: Implementation, format: str) -> str:
    """Raises CodeError for code that is no Python."""
    try:
        return {"gab": lambda code: code, "standalone": standalone, "genesys": for_genesys}[format](made.code)
    except SyntaxError as error:
        raise CodeError(f"revision {made.revision} of {made.design_id} is no Python: {error.msg}, line {error.lineno}", "mend it under Debug, or make an older revision the newest again") from None


def write_code(store: Store, design_id: str, format: str, out: Path) -> Path:
    """Raises UsageError when `out` exists."""
    if out.exists():
        raise UsageError(f"{out} is there already", "name a file that does not exist")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(exported_code(_implementation(store, design_id), format), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror or error}", "free some space, or name another file") from error
    return out


def write_hub(store: Store, config: Config, design_id: str, out: Path, verification_id: int | None = None) -> Path:
    """The weights of a verification: of the one named, else of the newest at the largest scale that has them."""
    row = _with_weights(store, config, design_id, verification_id)
    facts = row.provenance
    code = store.implementations.get(row.implementation_id).code
    tokenizer, end_id = _tokenizer(config, facts["corpus"]["tokenizer"])
    trained = Trained(code, Scale(**facts["scale"]), Fit(**facts["fit"]), _weights(config, row), tokenizer, _card(store, row), end_id)
    return write_hub_folder(trained, out, config.library_dir / "export" / "modeling_gab.py")


def _implementation(store: Store, design_id: str) -> Implementation:
    store.designs.get(design_id)
    made = store.implementations.newest(design_id)
    if made is None:
        raise NotFound(f"{design_id} has no code yet", f"python -m core implement {design_id}")
    return made


def _with_weights(store: Store, config: Config, design_id: str, verification_id: int | None) -> Verification:
    store.designs.get(design_id)
    done = [v for v in store.verifications.of(design_id) if v.metrics]
    if verification_id is not None:
        done = [v for v in done if v.id == verification_id]
    there = [v for v in done if _weights(config, v).is_file()]
    if not there:
        what = f"verification {verification_id} of {design_id}" if verification_id is not None else f"any verification of {design_id}"
        raise NotFound(f"no weights of {what} are on this machine", f"python -m core verify {design_id}" + (" --fresh" if done else ""))
    return max(there, key=lambda v: (v.metrics.params, v.id))


def _weights(config: Config, row: Verification) -> Path:
    return config.ckpt_dir / f"verification-{row.id}" / WEIGHTS


def _tokenizer(config: Config, tokenizer_hash: str) -> tuple[Path, int]:
    """(its file, the token that ends a document)"""
    for meta in sorted((config.data_dir / "corpora").glob("*/meta.json")):
        facts = json.loads(meta.read_text())
        if facts.get("tokenizer_hash") == tokenizer_hash:
            return meta.parent / "tokenizer.json", facts.get("end_id", 0)
    raise NotFound(f"the tokenizer {tokenizer_hash[:12]}… is not under {config.data_dir / 'corpora'}", "verify the design again, or set DATA_DIR")


def _card(store: Store, row: Verification) -> str:
    """A model card with what was measured and how."""
    design, m, facts = store.designs.get(row.design_id), row.metrics, row.provenance
    pairs = m.tasks.get("minimal_pairs", {})
    rows = [("bits per byte, held out", f"{m.bits_per_byte:.4f} ± {m.bits_per_byte_se:.4f}"), ("parameters without embeddings", f"{m.params:,}"),
            ("embeddings", f"{m.params_embedding:,}"), ("training tokens", f"{m.tokens:,}"), ("corpus", row.corpus), ("seed", str(row.seed))]
    rows += [("minimal pairs", f"{pairs['acc']:.3f} ± {pairs['acc_stderr']:.3f}")] if pairs else []
    lines = [f"# {design.title}", "", design.summary, "", f"`{design.id}` at {row.scale}, verification {row.id}.", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows]
    lines += ["", "```python", "from transformers import AutoModelForCausalLM, AutoTokenizer",
              'model = AutoModelForCausalLM.from_pretrained("this folder", trust_remote_code=True)', 'tokenizer = AutoTokenizer.from_pretrained("this folder")', "```", "",
              f"Weights SHA-256 {facts['weights']}, code SHA-256 {facts['code']}, versions {json.dumps(facts['versions'])}.", ""]
    return "\n".join(lines)
