"""Where things are and which keys exist. Built once, at an entry point, by `Config.from_env`; importing reads nothing.

| variable | meaning | default |
| --- | --- | --- |
| DATA_DIR | database, corpora, token files | ./data |
| CKPT_DIR | checkpoints and weights | DATA_DIR/checkpoints |
| DATABASE_URL | another database, `postgresql+psycopg://…` | SQLite in DATA_DIR |
| LIBRARY_DIR, SPECS_DIR, SCALES_FILE, NOISE_FILE | reference designs, agent specs, the ladder, its seed noise | the ones shipped |
| PROVIDERS_FILE, PRICES_FILE | providers of language models, and what they take for a million tokens | the ones shipped |
| SIGN_IN | `on` or `off`: whether people sign in | on where the app is reached from other machines |
| DEVICE | cpu or cuda | cuda where there is one |
| CHECKPOINT_S | seconds between the checkpoints of a training | 20 |
| HANG_S | seconds without a step (or an answer) after which a training (or an evaluation) is ended as one that hangs | 600 |
| LEASE_S | seconds after which a silent worker has lost its job | 30 |
| THREADS | processor threads of one training | the cores this process may use |
| PAPERS_EMBEDDINGS | `http://server/v1#model`: papers are searched by meaning, too; PAPERS_EMBEDDINGS_KEY where the server wants one | by words alone |
| RANKS | GPUs of one training, by torchrun | 1 |
| WORKERS | workers that `serve` starts: with two, a run designs while it trains | 1 |
| MY_OPENAI_KEY or OPENAI_API_KEY, ANTHROPIC_API_KEY, TOGETHER_API_KEY, OPENROUTER_API_KEY, HF_KEY, S2_API_KEY, WANDB_API_KEY | keys, all optional | |
| whatever the providers file names in capitals, `key: GROQ_API_KEY` | keys of its own | |
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from core.errors import ConfigError

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent

KEYS: dict[str, tuple[str, ...]] = {
    "openai": ("MY_OPENAI_KEY", "OPENAI_API_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "huggingface": ("HF_KEY",),
    "semantic_scholar": ("S2_API_KEY",),
    "wandb": ("WANDB_API_KEY",),
    "embeddings": ("PAPERS_EMBEDDINGS_KEY",),
}


NAMED = re.compile(r"""\bkey:[ \t]*["']?([A-Z][A-Z0-9_]+)\b""")   # in a providers file: the variable that holds an entry's key


class Secret(str):
    """A key that does not print itself: `str.__str__(secret)` or an f-string would, `repr` and logs of dataclasses do not."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True)
class Config:
    data_dir: Path
    ckpt_dir: Path
    database_url: str
    library_dir: Path = ROOT / "library"
    specs_dir: Path = ROOT / "agent_specs"
    scales_file: Path = ROOT / "library" / "scales.yaml"
    noise_file: Path = ROOT / "library" / "noise.yaml"
    providers_file: Path = ROOT / "library" / "providers.yaml"
    prices_file: Path = ROOT / "library" / "prices.yaml"
    sign_in: str = ""                # on or off; "": on where the app is served to other machines
    device: str = ""                 # "" lets the worker choose
    threads: int = 0                 # 0: the cores this process may use
    lease_s: float = 30.0
    checkpoint_s: float = 20.0
    hang_s: float = 600.0
    embeddings: str = ""             # server#model for papers (core/papers/meaning.py); "": searched by words alone
    ranks: int = 1                   # GPUs (or processes) of one training
    workers: int = 1                 # that serve starts
    keys: Mapping[str, Secret] = field(default_factory=dict)
    key_variables: Mapping[str, str] = field(default_factory=dict)  # which variable each key came from

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Config:
        env = os.environ if env is None else env
        data = Path(env.get("DATA_DIR") or "data").expanduser().absolute()
        library = Path(env.get("LIBRARY_DIR") or ROOT / "library").expanduser().absolute()
        providers = Path(env.get("PROVIDERS_FILE") or library / "providers.yaml").expanduser().absolute()
        known = {**KEYS, **{name: (name,) for name in _named(providers)}}
        found = {name: next((v for v in names if env.get(v)), "") for name, names in known.items()}
        return cls(
            data_dir=data,
            ckpt_dir=Path(env.get("CKPT_DIR") or data / "checkpoints").expanduser().absolute(),
            database_url=env.get("DATABASE_URL") or f"sqlite:///{data / 'model_discovery.db'}",
            library_dir=library,
            specs_dir=Path(env.get("SPECS_DIR") or ROOT / "agent_specs").expanduser().absolute(),
            scales_file=Path(env.get("SCALES_FILE") or library / "scales.yaml").expanduser().absolute(),
            noise_file=Path(env.get("NOISE_FILE") or library / "noise.yaml").expanduser().absolute(),
            providers_file=providers,
            prices_file=Path(env.get("PRICES_FILE") or library / "prices.yaml").expanduser().absolute(),
            sign_in=sign_in_said(env),
            device=env.get("DEVICE", ""),
            embeddings=env.get("PAPERS_EMBEDDINGS", "").strip(),
            threads=_number(env, "THREADS", int, 0),
            lease_s=_number(env, "LEASE_S", float, 30.0),
            checkpoint_s=_number(env, "CHECKPOINT_S", float, 20.0),
            hang_s=_number(env, "HANG_S", float, 600.0),
            ranks=_number(env, "RANKS", int, 1),
            workers=_number(env, "WORKERS", int, 1),
            keys={name: Secret(env[variable].strip()) for name, variable in found.items() if variable},
            key_variables={name: variable for name, variable in found.items() if variable},
        )

    @property
    def own_specs_dir(self) -> Path:
        """A person's versions of agents, laid over the shipped ones."""
        return self.data_dir / "agent_specs"

    def make_dirs(self) -> None:
        """Create DATA_DIR and CKPT_DIR and prove that both can be written."""
        for name, path in (("DATA_DIR", self.data_dir), ("CKPT_DIR", self.ckpt_dir)):
            try:
                path.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=path):
                    pass
            except OSError as error:
                raise ConfigError(
                    f"{name} {path} cannot be written: {error.strerror or error}",
                    f"make it writable, or set {name} to a directory that is",
                ) from error


def _named(providers: Path) -> list[str]:
    """Variables that a providers file names; a file that cannot be read is told by whoever needs it (core/llm/catalogue.py)."""
    try:
        return NAMED.findall(providers.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []


def sign_in_said(env: Mapping[str, str] | None = None) -> str:
    """on, off, or "" where nothing is said. Raises ConfigError for another word."""
    env = os.environ if env is None else env
    said = env.get("SIGN_IN", "").strip().lower()
    if said not in ("", "on", "off"):
        raise ConfigError(f"SIGN_IN={env['SIGN_IN']!r} is neither on nor off", "set it to on or off, or unset it")
    return said


def _number(env: Mapping[str, str], name: str, kind: Callable[[str], T], default: T) -> T:
    text = env.get(name, "")
    if not text:
        return default
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(f"{name}={text!r} is not a number", f"unset {name} or give it one") from None
