"""The tables of the papers' library. Records, files, passages, notes and citations are added and never changed; `papers` is what the records of a paper say together,
written anew with each, and `paper_cards` and `paper_words` (core/store/paper_index.py) are the index for searching."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.store.tables import Base, Serial


class PaperRow(Base):
    __tablename__ = "papers"
    seq: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    title_key: Mapped[str] = mapped_column(index=True)     # small letters and digits only
    year: Mapped[int | None] = mapped_column(index=True)
    tiers: Mapped[str]                                     # " index primary ": where it stands, each between spaces
    designs: Mapped[str]                                   # " deltanet gla ": reference designs that implement it
    facts: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class PaperRecordRow(Base):
    """What one source says of a paper; of each source the newest counts."""

    __tablename__ = "paper_records"
    __table_args__ = (UniqueConstraint("paper_id", "source", "data_hash"),)
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    paper_id: Mapped[str] = mapped_column(ForeignKey("papers.id"))
    source: Mapped[str]                                    # index, file:HASH, bibtex, arxiv, semantic_scholar, openalex, hub or person
    tier: Mapped[str]
    data: Mapped[dict[str, Any]]
    data_hash: Mapped[str]
    created_at: Mapped[datetime]


class PaperIdRow(Base):
    """One paper a name: its slugs, ids elsewhere and hashes of files."""

    __tablename__ = "paper_ids"
    kind: Mapped[str] = mapped_column(primary_key=True)    # slug, arxiv, doi, s2, openalex or hash
    value: Mapped[str] = mapped_column(primary_key=True)
    paper_id: Mapped[str] = mapped_column(ForeignKey("papers.id"), index=True)


class PaperFileRow(Base):
    __tablename__ = "paper_files"
    hash: Mapped[str] = mapped_column(primary_key=True)    # SHA-256 of its bytes
    paper_id: Mapped[str] = mapped_column(ForeignKey("papers.id"), index=True)
    name: Mapped[str]
    path: Mapped[str]
    form: Mapped[str]                                      # pdf, html, markdown, latex or text
    tier: Mapped[str]
    first: Mapped[int]                                     # its passages: first … first + passages - 1
    passages: Mapped[int]
    note: Mapped[str]                                      # what could not be read of it
    created_at: Mapped[datetime]


class PassageRow(Base):
    __tablename__ = "paper_passages"
    __table_args__ = (UniqueConstraint("paper_id", "number"),)
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    paper_id: Mapped[str] = mapped_column(ForeignKey("papers.id"))
    number: Mapped[int]                                    # within the paper, from 1; 0 stands for its abstract
    section: Mapped[str]
    text: Mapped[str]


class PaperNoteRow(Base):
    __tablename__ = "paper_notes"
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    paper_id: Mapped[str] = mapped_column(ForeignKey("papers.id"), index=True)
    author: Mapped[str]
    text: Mapped[str]
    created_at: Mapped[datetime]


class CitationRow(Base):
    """That a proposal's author read a passage, or cites it. `paper_id` is "" where there is no such paper."""

    __tablename__ = "paper_citations"
    __table_args__ = (UniqueConstraint("proposal_id", "kind", "told", "passage"), Index("ix_paper_citations_paper", "paper_id"))
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposals.id"))
    design_id: Mapped[str] = mapped_column(ForeignKey("designs.id"), index=True)
    kind: Mapped[str]                                      # read or cited
    told: Mapped[str]                                      # as it was written
    paper_id: Mapped[str]
    passage: Mapped[int]                                   # -1: no particular one
    trouble: Mapped[str]                                   # "" where it is there
    created_at: Mapped[datetime]


class ImportRow(Base):
    """What became of one item of an import; one that was cut off goes on with those that have no row."""

    __tablename__ = "paper_imports"
    import_id: Mapped[str] = mapped_column(primary_key=True)
    item: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]                                     # added, known or broken
    note: Mapped[str]
    paper_id: Mapped[str]
    created_at: Mapped[datetime]


class LookupRow(Base):
    """What another library was asked, and what it said; the newest counts, for as long as it is fresh."""

    __tablename__ = "paper_lookups"
    __table_args__ = (Index("ix_paper_lookups_key", "source", "key", "id"),)
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    source: Mapped[str]
    key: Mapped[str]
    state: Mapped[str]                                     # ok, limited or down
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    until: Mapped[datetime]                                # fresh, or (limited, down) better left alone, until then
    created_at: Mapped[datetime]


class VectorRow(Base):
    """An embedding of a paper's card: float32, unit length."""

    __tablename__ = "paper_vectors"
    paper_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    card_hash: Mapped[str]
    vector: Mapped[bytes]
