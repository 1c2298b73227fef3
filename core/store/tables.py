"""The tables. Rows are added and never changed, except what is marked *set once*, and the jobs' and workers' own state."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Double, ForeignKey, Index, Integer, LargeBinary, Text, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

Serial = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """UTC in, UTC out, on databases with and without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None if dialect.name == "sqlite" else UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text as programs print it: what PostgreSQL or UTF-8 refuses (NUL, lone surrogates) becomes a replacement character."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None else str(value).replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class Real(TypeDecorator[float]):
    """A float, NaN included: SQLite would store it as NULL, so there it is kept as a word."""

    impl = Double
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[float | None], float | str | None] | None:
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)
        return lambda value: "nan" if value is not None and math.isnan(value) else value

    def process_result_value(self, value: float | str | None, dialect: Dialect) -> float | None:
        return None if value is None else float(value)


class Base(DeclarativeBase):
    type_annotation_map = {str: Words, float: Real, datetime: Moment, dict[str, Any]: JSON, list[str]: JSON, bytes: LargeBinary}


class DesignRow(Base):
    __tablename__ = "designs"
    seq: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    kind: Mapped[str]
    mode: Mapped[str]
    author: Mapped[str]
    session_id: Mapped[str | None] = mapped_column(index=True)
    position: Mapped[int | None]  # among its session's proposals
    summary: Mapped[str]
    created_at: Mapped[datetime]


class ParentRow(Base):
    __tablename__ = "design_parents"
    child_id: Mapped[str] = mapped_column(ForeignKey("designs.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[str] = mapped_column(ForeignKey("designs.id"))


class ProposalRow(Base):
    __tablename__ = "proposals"
    __table_args__ = (UniqueConstraint("design_id", "revision"),)
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    design_id: Mapped[str] = mapped_column(ForeignKey("designs.id"))
    revision: Mapped[int]
    author: Mapped[str]
    by_person: Mapped[bool]
    title: Mapped[str]
    body: Mapped[str]
    units: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    new_units: Mapped[list[dict[str, Any]]] = mapped_column(JSON, server_default="[]")


class ReviewRow(Base):
    __tablename__ = "reviews"
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposals.id"), index=True)
    reviewer: Mapped[str]
    rating: Mapped[float]
    scores: Mapped[dict[str, Any]]
    text: Mapped[str]
    created_at: Mapped[datetime]
    data: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")


class DecisionRow(Base):
    __tablename__ = "decisions"
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    verb: Mapped[str]
    author: Mapped[str]
    design_id: Mapped[str | None] = mapped_column(ForeignKey("designs.id"), index=True)
    session_id: Mapped[str | None] = mapped_column(index=True)
    reason: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class GuidanceUseRow(Base):
    """That a prompt carried a person's record, and how the answer says it took it up."""

    __tablename__ = "guidance_uses"
    __table_args__ = (UniqueConstraint("decision_id", "key"),)
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("decisions.id"))
    key: Mapped[str]  # of the conversation
    design_id: Mapped[str | None]
    how: Mapped[str]
    created_at: Mapped[datetime]


class SpecRow(Base):
    """An agent spec as it was once used or saved: its YAML and prompts."""

    __tablename__ = "spec_revisions"
    revision: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    files: Mapped[dict[str, Any]]
    author: Mapped[str]
    created_at: Mapped[datetime]


class ImplementationRow(Base):
    __tablename__ = "implementations"
    __table_args__ = (UniqueConstraint("design_id", "revision"),)
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    design_id: Mapped[str] = mapped_column(ForeignKey("designs.id"))
    revision: Mapped[int]
    author: Mapped[str]
    code: Mapped[str]
    code_hash: Mapped[str]
    units: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]


class CheckRow(Base):
    __tablename__ = "checks"
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    implementation_id: Mapped[int] = mapped_column(ForeignKey("implementations.id"), index=True)
    passed: Mapped[bool]
    report: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class CostRow(Base):
    """A gab.py's costs at a scale as it was when they were counted (`Scale.shape`)."""

    __tablename__ = "costs"
    code_hash: Mapped[str] = mapped_column(primary_key=True)
    scale: Mapped[str] = mapped_column(primary_key=True)
    shape: Mapped[str] = mapped_column(primary_key=True)
    costs: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class VerificationRow(Base):
    """`finished_at`, `bits_per_byte`, `metrics`, `failure`, `provenance` and `settings` are set once."""

    __tablename__ = "verifications"
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    design_id: Mapped[str] = mapped_column(ForeignKey("designs.id"), index=True)
    implementation_id: Mapped[int] = mapped_column(ForeignKey("implementations.id"))
    scale: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    corpus: Mapped[str]
    corpus_hash: Mapped[str]
    label: Mapped[str]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    bits_per_byte: Mapped[float | None]
    metrics: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    failure: Mapped[str]
    provenance: Mapped[dict[str, Any]]
    settings: Mapped[str] = mapped_column(server_default="")


class CurveRow(Base):
    __tablename__ = "curve_points"
    verification_id: Mapped[int] = mapped_column(ForeignKey("verifications.id"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    tokens: Mapped[int] = mapped_column(BigInteger)
    loss: Mapped[float]
    bpb: Mapped[float]
    lr: Mapped[float]
    grad_norm: Mapped[float]
    tokens_per_s: Mapped[float]
    held_out: Mapped[float | None]


class TaskRow(Base):
    """A task's score for one verification; tasks may be added after the first evaluation. `items`: one byte an item, 1 where it was right."""

    __tablename__ = "task_scores"
    verification_id: Mapped[int] = mapped_column(ForeignKey("verifications.id"), primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    scores: Mapped[dict[str, Any]]
    items: Mapped[bytes]
    created_at: Mapped[datetime]


class DocumentsRow(Base):
    """Bits and bytes of each held-out document of a split, float32, zlib."""

    __tablename__ = "document_scores"
    verification_id: Mapped[int] = mapped_column(ForeignKey("verifications.id"), primary_key=True)
    split: Mapped[str] = mapped_column(primary_key=True)  # valid or test
    bits: Mapped[bytes]
    bytes_: Mapped[bytes] = mapped_column("bytes")


class TestScoreRow(Base):
    __tablename__ = "test_scores"
    verification_id: Mapped[int] = mapped_column(ForeignKey("verifications.id"), primary_key=True)
    bits_per_byte: Mapped[float]
    bits_per_byte_se: Mapped[float]
    documents: Mapped[int]
    author: Mapped[str]
    created_at: Mapped[datetime]


class AuditRow(Base):
    __tablename__ = "audits"
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    verification_id: Mapped[int] = mapped_column(ForeignKey("verifications.id"), index=True)
    passed: Mapped[bool]
    evidence: Mapped[str]
    created_at: Mapped[datetime]


class ProbeRow(Base):
    __tablename__ = "probes"
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    design_id: Mapped[str] = mapped_column(ForeignKey("designs.id"), index=True)
    implementation_id: Mapped[int] = mapped_column(ForeignKey("implementations.id"), index=True)
    suite: Mapped[str]
    task: Mapped[str]
    level: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    result: Mapped[dict[str, Any]]
    provenance: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class TimingRow(Base):
    """A short timed run; the newest of a key counts. `machine`: processor or GPU, and threads."""

    __tablename__ = "timings"
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    code_hash: Mapped[str] = mapped_column(index=True)
    scale: Mapped[str]
    shape: Mapped[str]
    machine: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class SessionRow(Base):
    """`closed_at` is set once."""

    __tablename__ = "sessions"
    seq: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    mode: Mapped[str]
    parents: Mapped[list[str]]
    n_proposals: Mapped[int]
    n_implement: Mapped[int]
    instructions: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    gate: Mapped[str]
    scale: Mapped[str]
    author: Mapped[str]
    designer: Mapped[str]
    reviewer: Mapped[str]
    run_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    team: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")


class EventRow(Base):
    __tablename__ = "events"
    __table_args__ = (Index("ix_events_stream_id", "stream", "id"),)
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    stream: Mapped[str]
    kind: Mapped[str]
    author: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class AccountRow(Base):
    """One row an account: what a transaction locks before it looks at the ledger."""

    __tablename__ = "accounts"
    name: Mapped[str] = mapped_column(primary_key=True)


class LedgerRow(Base):
    """`kind` is grant, reserve, spend or release."""

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_account_subject", "account", "subject"),)
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"))
    kind: Mapped[str]
    subject: Mapped[str]
    amount: Mapped[float]
    author: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime]


class CallRow(Base):
    """One try at a language model. `state` (asked, then answered, failed or cut) and what stands below it are set once."""

    __tablename__ = "calls"
    __table_args__ = (UniqueConstraint("key", "attempt"),)
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    key: Mapped[str]
    attempt: Mapped[int]
    stream: Mapped[str] = mapped_column(index=True)
    author: Mapped[str]
    revision: Mapped[str]
    design_id: Mapped[str | None] = mapped_column(index=True)
    run_id: Mapped[str] = mapped_column(index=True)
    model: Mapped[str]           # provider:model
    request: Mapped[dict[str, Any]]
    request_hash: Mapped[str]
    held: Mapped[dict[str, Any]]  # account -> amount reserved: the most it can cost
    process: Mapped[str]
    started_at: Mapped[datetime]
    deadline_at: Mapped[datetime]  # an `asked` one that is older has lost its process
    state: Mapped[str] = mapped_column(index=True)
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[str]
    usage: Mapped[dict[str, Any]]
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    money: Mapped[float | None]  # US dollars; None where the price is not known
    seconds: Mapped[float]
    finished_at: Mapped[datetime | None]


class JobRow(Base):
    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_state", "state", "priority", "id"),)
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    kind: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    payload: Mapped[dict[str, Any]]
    state: Mapped[str]
    priority: Mapped[int]
    attempts: Mapped[int]
    max_attempts: Mapped[int]
    worker: Mapped[str]
    process: Mapped[str]  # host, boot, pid and start time of the worker: tells a dead one at once on the same machine
    fence: Mapped[int]
    lease_until: Mapped[datetime | None]
    cancel_requested: Mapped[bool]
    progress: Mapped[float]
    note: Mapped[str]
    error: Mapped[str]
    result: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]  # it rests until then


class WorkerRow(Base):
    __tablename__ = "workers"
    name: Mapped[str] = mapped_column(primary_key=True)
    process: Mapped[str]
    seen_at: Mapped[datetime]
    job_id: Mapped[int | None]
