"""What hangs on a design: proposals, reviews, decisions, implementations and their checks. Append-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, Select, func, insert, select

from core.errors import NotFound
from core.store.engine import Database
from core.store.tables import CheckRow, DecisionRow, DesignRow, ImplementationRow, ProposalRow, ReviewRow, SpecRow
from core.store.undone import standing
from core.types import CheckReport, Decision, Implementation, Json, NewUnit, Proposal, Review, UnitTree, Verb, sha256_text


class _Table:
    def __init__(self, database: Database) -> None:
        self._db = database


class Proposals(_Table):
    def add(self, design_id: str, author: str, by_person: bool, title: str, body: str, units: UnitTree | None, new_units: Sequence[NewUnit] = ()) -> Proposal:
        """The design's next revision."""
        title, body, new_units = self._db.hide(title), self._db.hide(body), [replace(u, about=self._db.hide(u.about)) for u in new_units]
        with self._db.write() as c:
            revision = _next_revision(c, ProposalRow, design_id)
            done = c.execute(insert(ProposalRow).values(
                design_id=design_id, revision=revision, author=author, by_person=by_person, title=title, body=body,
                units=units.to_dict() if units else None, created_at=datetime.now(UTC), new_units=[asdict(u) for u in new_units]))
            return _proposal(c.execute(select(ProposalRow).where(ProposalRow.id == done.inserted_primary_key[0])).one())

    def newest(self, design_id: str) -> Proposal | None:
        query = select(ProposalRow).where(ProposalRow.design_id == design_id).order_by(ProposalRow.revision.desc()).limit(1)
        with self._db.read() as c:
            row = c.execute(query).first()
        return _proposal(row) if row else None

    def newest_revisions(self, design_ids: Sequence[str]) -> dict[str, int]:
        """Design → its newest revision's number; designs without a proposal are left out."""
        query = select(ProposalRow.design_id, func.max(ProposalRow.revision)).where(ProposalRow.design_id.in_(design_ids)).group_by(ProposalRow.design_id)
        with self._db.read() as c:
            return {design: revision for design, revision in c.execute(query)}

    def all_newest(self) -> list[Proposal]:
        """Of every design, oldest first."""
        last = select(func.max(ProposalRow.id)).group_by(ProposalRow.design_id)
        with self._db.read() as c:
            return [_proposal(r) for r in c.execute(select(ProposalRow).where(ProposalRow.id.in_(last)).order_by(ProposalRow.id))]

    def units_since(self, id: int) -> list[tuple[int, str, Json]]:
        """(proposal, design, unit tree as stored) of later proposals that have one, oldest first."""
        query = select(ProposalRow.id, ProposalRow.design_id, ProposalRow.units).where(ProposalRow.id > id, ProposalRow.units.is_not(None)).order_by(ProposalRow.id)
        with self._db.read() as c:
            return [(row.id, row.design_id, row.units) for row in c.execute(query)]

    def since(self, id: int) -> list[tuple[int, str, str, str, Json | None, list[Json]]]:
        """(proposal, design, title, body, unit tree, new units, these as stored) of later proposals, oldest first."""
        query = select(ProposalRow.id, ProposalRow.design_id, ProposalRow.title, ProposalRow.body, ProposalRow.units, ProposalRow.new_units)
        with self._db.read() as c:
            return [tuple(row) for row in c.execute(query.where(ProposalRow.id > id).order_by(ProposalRow.id))]

    def revisions(self, design_id: str) -> list[Proposal]:
        with self._db.read() as c:
            return [_proposal(r) for r in c.execute(select(ProposalRow).where(ProposalRow.design_id == design_id).order_by(ProposalRow.revision))]

    def edited(self) -> set[str]:
        """Designs of which a person wrote a later revision."""
        with self._db.read() as c:
            return set(c.execute(select(ProposalRow.design_id).where(ProposalRow.by_person, ProposalRow.revision > 1)).scalars())


class Reviews(_Table):
    def add(self, proposal_id: int, reviewer: str, rating: float, scores: Mapping[str, float], text: str, data: Json | None = None) -> Review:
        with self._db.write() as c:
            done = c.execute(insert(ReviewRow).values(
                proposal_id=proposal_id, reviewer=reviewer, rating=rating, scores=dict(scores), text=text, created_at=datetime.now(UTC), data=data or {}))
            return _review(c.execute(_REVIEWS.where(ReviewRow.id == done.inserted_primary_key[0])).one())

    def of(self, design_id: str) -> list[Review]:
        """Of all the design's revisions, oldest first."""
        with self._db.read() as c:
            return [_review(r) for r in c.execute(_REVIEWS.where(ProposalRow.design_id == design_id).order_by(ReviewRow.id))]


    def stuck(self) -> list[tuple[str, int]]:
        """(reviewer, how often it had to be asked anew) of every review, oldest first."""
        with self._db.read() as c:
            return [(r.reviewer, int(r.data.get("stuck", 0))) for r in c.execute(select(ReviewRow.reviewer, ReviewRow.data).order_by(ReviewRow.id))]

    def forecasts(self) -> list[Review]:
        """Those that foretell something, oldest first, without their texts."""
        query = select(ReviewRow.id, ReviewRow.proposal_id, ReviewRow.reviewer, ReviewRow.rating, ReviewRow.created_at, ReviewRow.data, ProposalRow.design_id)
        with self._db.read() as c:
            rows = c.execute(query.join(ProposalRow, ProposalRow.id == ReviewRow.proposal_id).order_by(ReviewRow.id)).all()
        return [Review(r.id, r.proposal_id, r.design_id, r.reviewer, r.rating, {}, "", r.created_at, r.data) for r in rows if "forecast" in (r.data or {})]

    def by(self, reviewer: str, limit: int) -> list[Review]:
        """A reviewer's own last ones, oldest first."""
        with self._db.read() as c:
            return [_review(r) for r in c.execute(_REVIEWS.where(ReviewRow.reviewer == reviewer).order_by(ReviewRow.id.desc()).limit(limit))][::-1]


class Decisions(_Table):
    def add(self, verb: Verb, author: str, design_id: str | None = None, session_id: str | None = None, reason: str = "",
            data: Json | None = None) -> Decision:
        """A key in the words is not stored: "scrubbed" in `data` says that there was one."""
        words, given = self._db.hide(reason), data or {}
        facts = {name: self._db.hide(value) if isinstance(value, str) else value for name, value in given.items()}
        with self._db.write() as c:
            done = c.execute(insert(DecisionRow).values(
                verb=str(verb), author=author, design_id=design_id, session_id=session_id, reason=words, data=facts if (words, facts) == (reason, given) else {**facts, "scrubbed": True},
                created_at=datetime.now(UTC)))
            return _decision(c.execute(select(DecisionRow).where(DecisionRow.id == done.inserted_primary_key[0])).one())

    def get(self, id: int) -> Decision:
        with self._db.read() as c:
            row = c.execute(select(DecisionRow).where(DecisionRow.id == id)).first()
        if row is None:
            raise NotFound(f"there is no decision {id}", "list the last ones: python -m core undo")
        return _decision(row)

    def of(self, design_id: str | None = None, session_id: str | None = None, undone: bool = False) -> list[Decision]:
        """Those about a design, or else a session, oldest first; with `undone` those too that were taken back."""
        column, value = (DecisionRow.design_id, design_id) if design_id is not None else (DecisionRow.session_id, session_id)
        return self._read(select(DecisionRow).where(column == value).order_by(DecisionRow.id), undone)

    def all(self, undone: bool = False) -> list[Decision]:
        """Oldest first."""
        return self._read(select(DecisionRow).order_by(DecisionRow.id), undone)

    def by_verb(self, *verbs: Verb) -> list[Decision]:
        """Oldest first."""
        return self._read(select(DecisionRow).where(DecisionRow.verb.in_([str(v) for v in verbs])).order_by(DecisionRow.id))

    def last_of(self, design_ids: Sequence[str], verbs: Sequence[Verb]) -> dict[str, int]:
        """Design → the number of the last decision on it with one of these verbs, also where it was taken back; those without one are left out."""
        with self._db.read() as c:
            rows = c.execute(select(DecisionRow.design_id, func.max(DecisionRow.id)).where(
                DecisionRow.design_id.in_(design_ids), DecisionRow.verb.in_([str(v) for v in verbs])).group_by(DecisionRow.design_id))
            return {design_id: last for design_id, last in rows}

    def _read(self, query: Select, undone: bool = False) -> list[Decision]:
        with self._db.read() as c:
            return [_decision(r) for r in c.execute(query if undone else query.where(standing()))]

    def recent(self, limit: int = 50) -> list[Decision]:
        """Newest first."""
        with self._db.read() as c:
            return [_decision(r) for r in c.execute(select(DecisionRow).order_by(DecisionRow.id.desc()).limit(limit))]


class Implementations(_Table):
    def add(self, design_id: str, author: str, code: str, units: UnitTree | None = None) -> Implementation:
        """The design's next revision of code; the same code and units as the newest one is that one."""
        tree, code_hash = units.to_dict() if units else None, sha256_text(code)
        with self._db.write() as c:
            revision = _next_revision(c, ImplementationRow, design_id)
            newest = c.execute(_of_design(design_id).order_by(ImplementationRow.revision.desc()).limit(1)).first()
            if newest is None or newest.code_hash != code_hash or newest.units != tree:
                done = c.execute(insert(ImplementationRow).values(
                    design_id=design_id, revision=revision, author=author, code=code, code_hash=code_hash, units=tree,
                    created_at=datetime.now(UTC)))
                newest = c.execute(select(ImplementationRow).where(ImplementationRow.id == done.inserted_primary_key[0])).one()
            return _implementation(c, newest)

    def newest(self, design_id: str) -> Implementation | None:
        with self._db.read() as c:
            row = c.execute(_of_design(design_id).order_by(ImplementationRow.revision.desc()).limit(1)).first()
            return _implementation(c, row) if row else None

    def newest_hashes(self, design_ids: Sequence[str]) -> dict[str, str]:
        """Design → the hash of its newest code, of those that have some."""
        query = select(ImplementationRow.design_id, ImplementationRow.code_hash).where(ImplementationRow.design_id.in_(design_ids)).order_by(ImplementationRow.revision)
        with self._db.read() as c:
            return {owner: code_hash for owner, code_hash in c.execute(query)}

    def newest_code(self) -> list[tuple[str, str]]:
        """(design, its newest gab.py) of every design that has one."""
        newest = select(func.max(ImplementationRow.id)).group_by(ImplementationRow.design_id)
        with self._db.read() as c:
            rows = c.execute(select(ImplementationRow.design_id, ImplementationRow.code).where(ImplementationRow.id.in_(newest)).order_by(ImplementationRow.id))
            return [(owner, code) for owner, code in rows]

    def edited(self) -> set[str]:
        """Designs whose code an agent began and a person took over."""
        agents = select(SpecRow.name)
        begun = select(ImplementationRow.design_id).where(ImplementationRow.revision == 1, ImplementationRow.author.in_(agents))
        query = select(ImplementationRow.design_id).where(ImplementationRow.revision > 1, ImplementationRow.author.not_in(agents), ImplementationRow.design_id.in_(begun))
        with self._db.read() as c:
            return set(c.execute(query).scalars())

    def revisions(self, design_id: str) -> list[Implementation]:
        with self._db.read() as c:
            return [_implementation(c, r) for r in c.execute(_of_design(design_id).order_by(ImplementationRow.revision)).all()]

    def get(self, id: int) -> Implementation:
        with self._db.read() as c:
            row = c.execute(select(ImplementationRow).where(ImplementationRow.id == id)).first()
            if row is None:
                raise NotFound(f"there is no implementation {id}", "see: python -m core show DESIGN")
            return _implementation(c, row)


class Checks(_Table):
    def add(self, implementation_id: int, report: CheckReport) -> None:
        """A further check of one revision; the newest counts."""
        with self._db.write() as c:
            c.execute(insert(CheckRow).values(
                implementation_id=implementation_id, passed=report.passed, report=asdict(report), created_at=datetime.now(UTC)))


_REVIEWS = select(ReviewRow, ProposalRow.design_id).join(ProposalRow, ProposalRow.id == ReviewRow.proposal_id)


def _of_design(design_id: str) -> Select:
    return select(ImplementationRow).where(ImplementationRow.design_id == design_id)


def _next_revision(c: Connection, table: type[ProposalRow] | type[ImplementationRow], design_id: str) -> int:
    """The design's row is locked: two who add a revision at once get two numbers."""
    if c.execute(select(DesignRow.id).where(DesignRow.id == design_id).with_for_update(key_share=True)).first() is None:
        raise NotFound(f"there is no design {design_id!r}", "add the design first")
    return 1 + (c.execute(select(func.max(table.revision)).where(table.design_id == design_id)).scalar() or 0)


def _tree(data: Json | None) -> UnitTree | None:
    return UnitTree.from_dict(data) if data else None


def _proposal(r: Row) -> Proposal:
    return Proposal(r.id, r.design_id, r.revision, r.author, r.by_person, r.title, r.body, _tree(r.units), r.created_at, tuple(NewUnit(**u) for u in r.new_units))


def _review(r: Row) -> Review:
    return Review(r.id, r.proposal_id, r.design_id, r.reviewer, r.rating, r.scores, r.text, r.created_at, r.data)


def _decision(r: Row) -> Decision:
    return Decision(r.id, Verb(r.verb), r.author, r.design_id, r.session_id, r.reason, r.data, r.created_at)


def _implementation(c: Connection, r: Row) -> Implementation:
    check = c.execute(select(CheckRow.report).where(CheckRow.implementation_id == r.id).order_by(CheckRow.id.desc()).limit(1)).scalar()
    return Implementation(r.id, r.design_id, r.revision, r.author, r.code, _tree(r.units), r.code_hash, r.created_at, _report(check))


def _report(data: Json | None) -> CheckReport | None:
    if data is None:
        return None
    return CheckReport.from_dict(data)
