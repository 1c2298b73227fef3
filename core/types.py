"""The nouns: frozen dataclasses, free of torch and of the database. Read this file first.

A *design* is a node of the tree. Its *proposal* (text and unit tree) and its *implementation* (code) come in revisions,
its *reviews* and *decisions* accumulate, and each *verification* trains one implementation at one scale with one seed.
Nothing is overwritten: a status is derived from what happened (`Design.status`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

Json = dict[str, Any]


def derive_seed(*parts: object) -> int:
    """A stream's seed from (run seed, subject, step, …): resuming repeats exactly, and no generator is shared. 63 bits."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------------------------------------------------- words


class CallState(StrEnum):
    ASKED = "asked"          # under way, or its process was killed
    ANSWERED = "answered"
    FAILED = "failed"        # the provider said no
    CUT = "cut"              # it began and did not end


class Kind(StrEnum):
    REFERENCE = "reference"  # a known architecture, shipped in library/
    AGENT = "agent"          # proposed by an agent
    MANUAL = "manual"        # put in by a person


class Mode(StrEnum):
    SEED = "seed"            # a root of the tree
    MUTATION = "mutation"    # one parent
    CROSSOVER = "crossover"  # several parents
    SCRATCH = "scratch"      # none
    EXPLORE = "explore"      # a person's idea in words, with parents or without


class Status(StrEnum):
    """What has happened to a design so far; the furthest along wins, a person's refusal above all but measurement."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"
    FAILED = "failed"            # its newest implementation failed the check
    IMPLEMENTED = "implemented"  # its newest implementation passed the check
    VERIFIED = "verified"        # measured at one scale at least


class Verb(StrEnum):
    """What a person (or a gate in their name) decided. Stored in `Decision.verb`."""

    APPROVE = "approve"
    REFUSE = "refuse"
    RESET = "reset"          # takes an approval or a refusal back
    COMMENT = "comment"
    RERANK = "rerank"        # data: {"order": [design ids, best first]}
    RELEASE = "release"      # opens the session's gate: implement the best
    STEER = "steer"          # words to the session's agents; data: {"to": a key of SIDES}, or nothing: to all
    EDIT = "edit"            # a person changed the proposal; the reason says how; data: {"revision": n}, and where it became a copy {"copy_of": id}
    GUIDE = "guide"          # a standing rule for the agents
    MUTE = "mute"            # data: {"decision": id, "on": bool, "text": words}: a record that teaches, switched off or on again, or put in other words
    PAUSE = "pause"          # the session's agents stop before their next call; data: {"on": bool}
    PROMOTE = "promote"      # score it on the locked test split; data: {"verification": id}
    SEND_BACK = "send_back"  # the agents shall revise the proposal; the reason says what is wrong; data: {"revision": n}
    DEFER = "defer"          # not now: out of the inbox until something about it changes, or it is reset; data: {"item": key, "on": bool}
    TAG = "tag"              # data: {"tag": word, "on": bool}
    PIN = "pin"              # the selector keeps it in play whatever its score; data: {"on": bool}
    BOOST = "boost"          # its branch is chosen so many times as often; data: {"factor": number}, 1 takes it back
    PRUNE = "prune"          # the selector leaves its branch alone; data: {"on": bool}
    FORECAST = "forecast"    # data: {"reference": id, "scale": name, "probability": 0–1}: that the design beats the reference there
    PREFER = "prefer"        # "which would you train?"; data: {"better": id, "worse": [ids]}
    UNDO = "undo"            # data: {"decision": id}: that one no longer counts
    GATE = "gate"            # data: {"run": id or "", "step": name, "rule": ask, if or auto, …}: what may go on without a person
    VIEW = "view"            # a comparison kept under a name; data: {"name", "page", "query", "on": bool}
    CHOOSE = "choose"        # another choice instead of the selector's; data: {"run": id, "act": design or verify, …}


# Whom a person's words reach, where they are not for all: those who make, or those who judge.
SIDES = {"designer": ("designer", "librarian", "coder", "debugger"), "reviewer": ("reviewer", "ranker", "observer")}


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobKind(StrEnum):
    SESSION = "session"      # payload {"session": id}
    IMPLEMENT = "implement"  # payload {"design": id, "scale": name}
    REVISE = "revise"        # payload {"design": id, "decision": id}: its designer mends the proposal with a person's words
    CHECK = "check"          # payload {"design": id, "scale": name}
    VERIFY = "verify"        # payload {"design": id, "scale": name, "seed": int, "corpus": name, path or null, "label", "tasks", "options"}
    EVOLVE = "evolve"        # payload {"run": id, ...}
    COSTS = "costs"          # payload {"design": id}
    TRY = "try"              # payload {"code": gab.py, "scale": name}: a check of code that is no design yet
    PROBE = "probe"          # payload {"design": id, "suite": name, "seed": int}
    TIME = "time"            # payload {"design": id, "scale": name, "corpus": name, path or null}: a short timed run
    AUDIT = "audit"          # payload {"verification": id}: the deep causality audit of trained weights
    PROMOTE = "promote"      # payload {"verification": id}: the locked test split is scored
    PAPERS = "papers"        # payload {"source": path, id or link, "tier", "import": token, "author"}: papers are brought into the library
    DATA = "data"            # payload {"corpus": name, path or null, "vocab_size": int}: a corpus is made ready


class Outcome(StrEnum):
    """How a step of the algorithm ended."""

    DONE = "done"
    WAITING = "waiting"      # for a person; the worker is free for others


class Act(StrEnum):
    """What the selector wants next."""

    DESIGN = "design"
    VERIFY = "verify"


DESIGN_BUDGET = "design"     # the ledger's account for ALG 2; the other accounts are scales' names
MONEY, TOKENS = "money", "tokens"  # the ledger's accounts of calls to language models: US dollars, tokens


# ---------------------------------------------------------------------------------------------------------- units


@dataclass(frozen=True)
class UnitTree:
    """A tree of named units (GAU): which unit, its hyperparameters, and what fills each of its slots."""

    unit: str
    config: Mapping[str, Any] = field(default_factory=dict)
    children: Mapping[str, UnitTree] = field(default_factory=dict)

    def to_dict(self) -> Json:
        out: Json = {"unit": self.unit}
        if self.config:
            out["config"] = dict(self.config)
        if self.children:
            out["children"] = {slot: child.to_dict() for slot, child in self.children.items()}
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> UnitTree:
        return cls(
            unit=data["unit"],
            config=dict(data.get("config") or {}),
            children={slot: cls.from_dict(child) for slot, child in (data.get("children") or {}).items()},
        )

    def walk(self, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], UnitTree]]:
        """Every node with its path of slots from the root, parents first."""
        found = [(path, self)]
        for slot, child in self.children.items():
            found += child.walk((*path, slot))
        return found

    def at(self, path: tuple[str, ...]) -> UnitTree:
        node = self
        for slot in path:
            node = node.children[slot]
        return node

    def replace(self, path: tuple[str, ...], new: UnitTree) -> UnitTree:
        """This tree with the node at `path` replaced by `new`."""
        if not path:
            return new
        slot, rest = path[0], path[1:]
        children = dict(self.children)
        children[slot] = children[slot].replace(rest, new)
        return UnitTree(self.unit, self.config, children)


@dataclass(frozen=True)
class NewUnit:
    """A unit that a proposal needs and nobody has written: what it is called, where it fits, and what it shall compute."""

    name: str                        # small letters and underscores
    kind: str                        # mixer, channel, norm, gate, position, conv or block
    about: str                       # equations and shapes, in words
    slots: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)   # name → {"kind", "doc", "optional"}
    config: Mapping[str, Any] = field(default_factory=dict)                # hyperparameters and their defaults


# ------------------------------------------------------------------------------------------------------- the tree


@dataclass(frozen=True)
class Proposal:
    id: int
    design_id: str
    revision: int                    # 1, 2, … : each edit is a new one
    author: str
    by_person: bool
    title: str
    body: str                        # Markdown: motivation, what changes in which unit, expected effect, risks
    units: UnitTree | None           # None for a flat gab.py
    created_at: datetime
    new_units: tuple[NewUnit, ...] = ()  # of `units`: those that nobody has written yet


@dataclass(frozen=True)
class Review:
    id: int
    proposal_id: int
    design_id: str
    reviewer: str
    rating: float                    # 0–5, an opinion: never mixed with measurements
    scores: Mapping[str, float]      # e.g. novelty, cost, plausibility, each 0–5
    text: str                        # Markdown with the reasons
    created_at: datetime
    data: Json = field(default_factory=dict, hash=False)  # of a language model: points, nearest, forecast (0–1), accepted, stuck


class Seen(NamedTuple):
    """What a person saw of a proposal before they judged it."""

    decision: int                    # the last weighty one, 0 where there was none
    revision: int = 0                # of the proposal; 0 where none is meant


@dataclass(frozen=True)
class Decision:
    id: int
    verb: Verb
    author: str
    design_id: str | None
    session_id: str | None
    reason: str
    data: Json
    created_at: datetime


@dataclass(frozen=True)
class CheckResult:
    """One check's outcome. `verdict` is pass, fail or warn."""

    name: str
    verdict: str
    evidence: str
    seconds: float
    mend: str = ""
    output: str = ""                 # what the block printed meanwhile, truncated with a note


@dataclass(frozen=True)
class CheckReport:
    passed: bool
    scale: str
    results: tuple[CheckResult, ...]
    fit: Fit | None                  # None when the block could not be built
    output: str = ""                 # all that the block printed, truncated with a note
    layers: tuple[str, ...] = ()     # the sandbox layers that held
    seconds: float = 0.0
    repaired: str = ""               # the mended code that was checked, where the code given could not be
    missing: tuple[str, ...] = ()    # the sandbox layers that this machine lacks

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        return tuple(r for r in self.results if r.verdict == "fail")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CheckReport:
        return cls(**{**data, "results": tuple(CheckResult(**r) for r in data["results"]), "layers": tuple(data["layers"]), "missing": tuple(data.get("missing", ())),
                      "fit": Fit(**data["fit"]) if data["fit"] else None})


@dataclass(frozen=True)
class Implementation:
    id: int
    design_id: str
    revision: int
    author: str
    code: str                        # gab.py
    units: UnitTree | None
    code_hash: str                   # SHA-256 of `code`
    created_at: datetime
    check: CheckReport | None        # the newest check of this revision


@dataclass(frozen=True)
class CurvePoint:
    step: int
    tokens: int                      # seen so far
    loss: float                      # nats a token, training batch
    bpb: float                       # the same in bits per byte of the training text
    lr: float
    grad_norm: float
    tokens_per_s: float              # smoothed over the last steps
    held_out: float | None = None    # bits per byte of the watched documents, at fixed steps only


@dataclass(frozen=True)
class Metrics:
    """What a verification measured. The score that ranks is `bits_per_byte` on held-out documents: lower is better."""

    bits_per_byte: float
    bits_per_byte_se: float          # standard error over held-out documents
    loss: float                      # nats a token, held out
    perplexity: float
    train_loss: float                # mean of the last tenth of the curve, nats a token
    tokens: int
    tokens_per_s: float
    train_seconds: float
    eval_seconds: float
    params: int                      # non-embedding
    params_embedding: int
    n_layers: int
    d_model: int
    peak_memory_mb: float
    tasks: Mapping[str, Mapping[str, float]]  # task → {"acc": …, "acc_stderr": …, "chance": …, "n": …}
    lr: float | None = None          # the peak learning rate that was used
    mfu: float | None = None         # share of the GPU's peak FLOP/s, 0–1; None on a processor
    energy_kj: float | None = None   # of the training, where the GPU tells it


OWN_RATE = "own rate"        # how the labels of such verifications begin


@dataclass(frozen=True)
class Verification:
    id: int
    design_id: str
    implementation_id: int
    scale: str
    seed: int
    corpus: str                      # its name
    corpus_hash: str
    created_at: datetime
    finished_at: datetime | None
    metrics: Metrics | None          # None while it runs, and when it failed
    failure: str                     # "" or the verdict ("diverged at step …")
    provenance: Json                 # versions, commit, data's hash, weights' hash, device, threads
    label: str = ""                  # sets a repetition apart from the first measurement
    settings: str = ""               # `Scale.settings` of the scale as it was then; "" where that is not known

    @property
    def own_rate(self) -> bool:
        """Trained at a learning rate found for the design; compared only with others that were."""
        return self.label.startswith(OWN_RATE)

    @property
    def cut_off(self) -> bool:
        """It failed for its surroundings' sake (a full disk, too little memory, a person's stop), not the design's: asked for again, it goes on."""
        return bool(self.provenance.get("cut_off"))


@dataclass(frozen=True)
class TestScore:
    """The locked test split, scored when a person promotes a verification."""

    verification_id: int
    bits_per_byte: float
    bits_per_byte_se: float
    documents: int
    author: str                      # who promoted it
    created_at: datetime


@dataclass(frozen=True)
class Audit:
    """The deep causality audit of one verification's trained weights."""

    id: int
    verification_id: int
    passed: bool
    evidence: str
    created_at: datetime


@dataclass(frozen=True)
class Documents:
    """What each held-out document of a split cost, in the split's fixed order: two models are compared document by document."""

    bits: tuple[float, ...]
    bytes: tuple[float, ...]


@dataclass(frozen=True)
class ProbeResult:
    """One task of a suite at one level of difficulty and one seed; the best of a small sweep of learning rates."""

    suite: str
    task: str
    level: str                       # "" where a task has one level
    seed: int
    accuracy: float                  # on fresh data, of the positions that are asked
    chance: float
    lr: float                        # the best one
    by_lr: Mapping[str, float]       # learning rate → accuracy
    steps: int                       # trained at the best learning rate
    params: int                      # non-embedding
    seconds: float                   # the whole sweep
    failure: str = ""                # a verdict in words where there is no accuracy


@dataclass(frozen=True)
class Timing:
    """A short timed run of a design at a scale on one machine."""

    seconds_per_step: float
    start_seconds: float             # building, compiling, loading data
    eval_seconds: float              # held-out text and the shipped task
    memory_mb: float                 # at the peak, resident
    micro_batch: int                 # sequences at once
    created_at: datetime | None = None


@dataclass(frozen=True)
class Design:
    """A node of the tree with all that pages need to draw it; the long texts are fetched by id."""

    id: str
    title: str
    kind: Kind
    mode: Mode
    parents: tuple[str, ...]
    author: str
    session_id: str | None
    generation: int                  # 0 for roots, else 1 + the largest of the parents'
    created_at: datetime
    status: Status
    summary: str = ""
    rating: float | None = None      # mean of the reviews of the newest revision that has any
    scores: Mapping[str, float] = field(default_factory=dict)   # scale → mean held-out bits per byte over seeds
    n_seeds: Mapping[str, int] = field(default_factory=dict)    # scale → how many seeds were measured
    older: tuple[str, ...] = ()      # scales whose score is of older code than its newest
    held_back: tuple[str, ...] = ()  # scales at which a score is too good to count before an audit
    tags: tuple[str, ...] = ()       # words that persons gave it
    pinned: bool = False             # a person keeps it in play
    boost: float = 1.0               # its branch is a parent so many times as often
    pruned: bool = False             # its branch is left alone
    wished: Mapping[str, str] = field(default_factory=dict)     # verb (pin, boost, prune) → who said it last


@dataclass(frozen=True)
class Session:
    """One run of ALG 4: parents in, proposals out, the best of them implemented."""

    id: str
    mode: Mode
    parents: tuple[str, ...]
    n_proposals: int
    n_implement: int
    instructions: str
    seed: int
    gate: str                        # "ask": waits for a person's release; "auto": goes on by itself
    scale: str                       # where the check builds the block
    author: str
    designer: str                    # names of agent specs
    reviewer: str
    run_id: str | None               # the evolve run that opened it
    created_at: datetime
    closed_at: datetime | None
    team: Json = field(default_factory=dict, hash=False)  # other members by role, "rounds" of review, "accept" from which rating


@dataclass(frozen=True)
class Event:
    """Append-only; what streams to the screen. Streams are named "session:ID", "verification:ID", "job:ID", "run:ID"."""

    id: int
    stream: str
    kind: str                        # see core/agents/dialog.py and core/jobs/worker.py for the kinds
    author: str
    data: Json
    created_at: datetime


@dataclass(frozen=True)
class Job:
    id: int
    kind: JobKind
    subject: str                     # what it is about: one live job a subject
    payload: Json
    state: JobState
    priority: int
    attempts: int
    max_attempts: int
    worker: str
    fence: int
    lease_until: datetime | None
    cancel_requested: bool
    progress: float                  # 0–1
    note: str                        # what it is doing, in words
    error: str
    result: Json
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    not_before: datetime | None = None   # it rests until then: a provider that it asked is down

    @property
    def resting(self) -> bool:
        return self.state is JobState.QUEUED and self.not_before is not None


@dataclass(frozen=True)
class Call:
    """One try at a language model, as it stands in the record. An ask that was tried three times is three of them."""

    id: int
    key: str                         # of the step it belongs to, e.g. "session:ab12/p1/plan"
    attempt: int                     # 1, 2, …
    stream: str                      # the dialog's
    author: str                      # the agent's name
    revision: str                    # of its spec
    design_id: str | None
    run_id: str
    model: str                       # provider:model
    request: Json
    request_hash: str
    held: Mapping[str, float]         # account → what was reserved of it, the most the try can cost
    process: str
    state: CallState
    answer: Json | None
    error: str
    usage: Json
    money: float | None              # US dollars; None where the price is not known
    seconds: float
    started_at: datetime
    deadline_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class Spent:
    """Sums over calls, failed tries included."""

    tries: int = 0
    answers: int = 0
    input: int = 0                   # tokens
    output: int = 0
    cached: int = 0
    money: float = 0.0               # US dollars of those whose price is known
    unpriced: int = 0                # tries whose price is not

    @property
    def tokens(self) -> int:
        return self.input + self.output

    @property
    def dollars(self) -> str:
        """As it is shown; what is not known is said to be so."""
        known = f"${self.money:.2f}" if self.money >= 1 or not self.money else f"${self.money:.4f}" if self.money >= 0.01 else f"${self.money:.6f}"
        if not self.unpriced:
            return known
        return f"{known} and {self.unpriced} at an unknown price" if self.money else "unknown"


@dataclass(frozen=True)
class Account:
    """One account of the ledger. left = granted − spent − reserved, never below zero."""

    name: str                        # "design" or a scale's name
    granted: float
    spent: float
    reserved: float

    @property
    def left(self) -> float:
        return round(self.granted - self.spent - self.reserved, 6)


@dataclass(frozen=True)
class Parents:
    """What the next design session starts from, chosen by a selector or a person."""

    mode: Mode
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Candidate:
    """One of the things that a selector could have chosen."""

    id: str                          # of a design; several are joined by " + "
    at: str                          # a scale or a mode
    weight: float | None             # its share of the draw, 0–1; None where the first in an order is taken
    why: str                         # in words


@dataclass(frozen=True)
class Explanation:
    """Why a selector chose what it chose: in words, and among which candidates, the likeliest or first ones first."""

    words: str = ""
    candidates: tuple[Candidate, ...] = ()

    def to_dict(self) -> Json:
        return {"words": self.words, "candidates": [vars(c) for c in self.candidates]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Explanation:
        return cls(data.get("words", ""), tuple(Candidate(**c) for c in data.get("candidates", ())))


@dataclass(frozen=True)
class Gates:
    """Where a run stops for a person. `proposal`: "ask" waits before anything is implemented, "auto" goes on."""

    proposal: str = "auto"


@dataclass(frozen=True)
class VerifyOptions:
    """What a person may ask of a verification besides design, scale, seed and corpus."""

    tasks: tuple[str, ...] = ("minimal_pairs",)
    sweep: bool = False              # find the design's own learning rate at the cheapest scale first
    early_stop: bool = False         # end a run that is hopeless beside the references' curves
    trackers: tuple[str, ...] = ()   # "tensorboard", "wandb"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VerifyOptions:
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def verify_subject(design_id: str, scale: str, seed: int, corpus: str | None = None, label: str = "", implementation_id: int = 0, settings: str = "") -> str:
    """The name under which a verification is charged, once: other code of the design, or other settings of the scale, is another training. Without these two it is the name
    that older jobs and runs bear."""
    made_with = f"~{implementation_id}.{settings[:8]}" if implementation_id else ""
    return f"verify:{design_id}@{scale}#{seed}" + (f"|{corpus}" if corpus else "") + (f"!{label}" if label else "") + made_with


# ------------------------------------------------------------------------------------------------- scales and fits


@dataclass(frozen=True)
class Scale:
    """A rung of the ladder; one entry of library/scales.yaml."""

    name: str
    n_layers: int                    # of the reference
    d_model: int
    context: int                     # tokens
    vocab_size: int
    tokens: int                      # the training budget, the same for every design
    batch_tokens: int
    lr: float
    warmup: float = 0.1              # share of the steps
    weight_decay: float = 0.1
    tolerance: float = 0.1           # of the reference's non-embedding parameters
    eval_tokens: int = 65536         # held-out tokens scored, at most
    minutes: float = 0.0             # of the reference, a first guess for estimates where nothing was measured
    minutes_on: str = ""             # the machine those are of, in words
    optimizer: str = "adamw"         # or "muon": matrices of the blocks by Muon, all else by AdamW
    schedule: str = "cosine"         # or "wsd": warm-up, stable, decay
    precision: str = "auto"          # "float32", "bfloat16" (autocast over float32 weights), or what the machine gains from
    compile: str = "auto"            # "on", "off", or where it pays
    watch_points: int = 8            # how often the watched documents are scored in training
    watch_tokens: int = 8192         # of them, each time
    tokenizer: str = ""              # an id on the Hub; "" trains one of vocab_size on the corpus
    probes: str = ""                 # a suite of library/probes.yaml that a run asks of a new design before it trains it here; "" asks nothing

    @property
    def steps(self) -> int:
        return max(1, self.tokens // self.batch_tokens)

    @property
    def shape(self) -> str:
        """What a design's costs at this scale depend on."""
        return f"{self.n_layers}x{self.d_model}@{self.context}/{self.vocab_size}/{self.batch_tokens}/{self.tolerance:g}"

    @property
    def settings(self) -> str:
        """What a score at this scale depends on, in sixteen digits: scores under one name and other settings are never compared."""
        return settings_of(vars(self))


TRAINING = ("n_layers", "d_model", "context", "vocab_size", "tokens", "batch_tokens", "lr", "warmup", "weight_decay", "optimizer", "schedule", "precision", "tolerance",
            "tokenizer", "eval_tokens")


def settings_of(scale: Mapping[str, Any]) -> str:
    """`Scale.settings` of a scale as a provenance holds it; what it lacks was the default then, and "" where it lacks what has none."""
    told = {f.name: scale.get(f.name, f.default) for f in fields(Scale) if f.name in TRAINING}
    if MISSING in told.values():
        return ""
    return sha256_text("/".join(f"{told[k]:.12g}" if isinstance(told[k], (int, float)) else str(told[k]) for k in TRAINING))[:16]


@dataclass(frozen=True)
class Fit:
    """The depth and width at which a design meets a scale. Embeddings are counted apart."""

    n_layers: int
    d_model: int
    params: int                      # non-embedding
    params_embedding: int
    reference_params: int            # non-embedding

    @property
    def off_by(self) -> float:
        return self.params / self.reference_params - 1


@dataclass(frozen=True)
class Costs:
    """What a design costs at a scale, counted before anything is trained (core/gab/costs.py)."""

    params: int                      # non-embedding
    params_embedding: int
    flops_infer: float               # a token, at the scale's full context
    flops_train: float               # a token: forward and backward
    memory_mb: float                 # tensors at the peak of a training step
    process_mb: float = 400.0        # Python and torch themselves, resident (on a GPU they do not count)

    @property
    def peak_mb(self) -> float:
        """Resident at the peak of a training on the processor: allocators keep about a fifth more than tensors hold."""
        return self.process_mb + 1.2 * self.memory_mb
