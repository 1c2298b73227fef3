"""Designs: the nodes of the tree, with all that is derived from their proposals, checks, decisions and verifications."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import fmean

from sqlalchemy import Connection, insert, select

from core.errors import NotFound
from core.store.engine import Database
from core.store.tables import CheckRow, DecisionRow, DesignRow, ImplementationRow, ParentRow, ProposalRow, ReviewRow, VerificationRow
from core.types import Design, Kind, Mode, Status, Verb


class Designs:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, id: str, title: str, kind: Kind, mode: Mode, parents: Sequence[str] = (), author: str = "", session_id: str | None = None,
            index: int | None = None, summary: str = "") -> Design:
        """Add a node; one of that id that is there already is returned as it is. Parents must exist."""
        with self._db.write() as c:
            if c.execute(select(DesignRow.seq).where(DesignRow.id == id)).first() is None:
                known = set(c.execute(select(DesignRow.id).where(DesignRow.id.in_(list(parents)))).scalars())
                missing = [p for p in parents if p not in known]
                if missing:
                    raise NotFound(f"{id}: there is no parent {', '.join(missing)}", "add the parents first")
                c.execute(insert(DesignRow).values(
                    id=id, title=title, kind=str(kind), mode=str(mode), author=author, session_id=session_id, position=index, summary=summary,
                    created_at=datetime.now(UTC)))
                for position, parent in enumerate(parents):
                    c.execute(insert(ParentRow).values(child_id=id, position=position, parent_id=parent))
        return self.get(id)

    def get(self, id: str) -> Design:
        """Raises NotFound, naming ids that look alike."""
        with self._db.read() as c:
            found = _derive(c, None, [id])
            if found:
                return found[0]
            near = difflib.get_close_matches(id, c.execute(select(DesignRow.id)).scalars().all(), 3, 0.5)
        raise NotFound(f"there is no design {id!r}", f"did you mean {' or '.join(near)}?" if near else "list them: python -m core designs")

    def all(self, corpus_hash: str | None = None) -> list[Design]:
        """Oldest first. `scores` are those on one corpus: the given one, or at each scale the one on which most was measured."""
        with self._db.read() as c:
            return _derive(c, corpus_hash, None)

    def of_session(self, session_id: str) -> list[Design]:
        with self._db.read() as c:
            ids = c.execute(select(DesignRow.id).where(DesignRow.session_id == session_id).order_by(DesignRow.position)).scalars().all()
            found = {d.id: d for d in _derive(c, None, ids)}
        return [found[i] for i in ids]


def _derive(c: Connection, corpus_hash: str | None, ids: Sequence[str] | None) -> list[Design]:
    """The designs of these ids (all when None), a fixed number of queries whatever their number."""
    if ids is not None and not ids:
        return []

    def of(query, column):
        return query if ids is None else query.where(column.in_(ids))

    rows = c.execute(of(select(DesignRow).order_by(DesignRow.seq), DesignRow.id)).all()
    parents: dict[str, list[str]] = defaultdict(list)
    for child, parent in c.execute(of(select(ParentRow.child_id, ParentRow.parent_id).order_by(ParentRow.child_id, ParentRow.position), ParentRow.child_id)):
        parents[child].append(parent)
    named = of(select(ProposalRow.design_id, ProposalRow.title).order_by(ProposalRow.id), ProposalRow.design_id)
    titles = {design: title for design, title in c.execute(named)}
    ratings = _ratings(c, ids)
    verdicts = {d: verb for d, verb in c.execute(of(
        select(DecisionRow.design_id, DecisionRow.verb).where(DecisionRow.verb.in_([Verb.APPROVE, Verb.REFUSE, Verb.RESET]))
        .order_by(DecisionRow.id), DecisionRow.design_id))}
    code = {d: i for d, i in c.execute(of(
        select(ImplementationRow.design_id, ImplementationRow.id).order_by(ImplementationRow.id), ImplementationRow.design_id))}
    checked = select(CheckRow.implementation_id, CheckRow.passed).order_by(CheckRow.id)
    checks = {i: passed for i, passed in c.execute(checked if ids is None else checked.where(CheckRow.implementation_id.in_(list(code.values()))))}
    verified, scores, seeds = _scores(c, corpus_hash, ids)
    generations = _generations(c, rows, parents, complete=ids is None)
    designs = []
    for row in rows:
        status = _status(Kind(row.kind), row.id in verified, verdicts.get(row.id), code.get(row.id), checks)
        designs.append(Design(
            id=row.id, title=titles.get(row.id, row.title), kind=Kind(row.kind), mode=Mode(row.mode), parents=tuple(parents[row.id]), author=row.author,
            session_id=row.session_id, generation=generations[row.id], created_at=row.created_at, status=status, summary=row.summary,
            rating=ratings.get(row.id), scores=scores.get(row.id, {}), n_seeds=seeds.get(row.id, {})))
    return designs


def _status(kind: Kind, verified: bool, verdict: str | None, implementation: int | None, checks: dict[int, bool]) -> Status:
    if verified:
        return Status.VERIFIED
    if verdict == Verb.REFUSE:
        return Status.REFUSED
    if implementation in checks:
        return Status.IMPLEMENTED if checks[implementation] else Status.FAILED
    if implementation is not None and kind is Kind.REFERENCE:
        return Status.IMPLEMENTED  # the library's own tests have checked it
    return Status.APPROVED if verdict == Verb.APPROVE else Status.PROPOSED


def _ratings(c: Connection, ids: Sequence[str] | None) -> dict[str, float]:
    """Mean rating of the newest revision that was reviewed: an edit keeps the old opinion until there is a new one."""
    query = select(ProposalRow.design_id, ProposalRow.revision, ReviewRow.rating).join(ReviewRow, ReviewRow.proposal_id == ProposalRow.id)
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for design, revision, rating in c.execute(query if ids is None else query.where(ProposalRow.design_id.in_(ids))):
        found[design][revision].append(rating)
    return {design: fmean(revisions[max(revisions)]) for design, revisions in found.items()}


def _scores(c: Connection, corpus_hash: str | None, ids: Sequence[str] | None):
    """(ids measured at all, id → scale → mean over seeds, id → scale → number of seeds)."""
    V = VerificationRow
    done = select(V.design_id, V.scale, V.seed, V.corpus_hash, V.bits_per_byte).where(V.bits_per_byte.is_not(None)).order_by(V.id)
    rows = c.execute(done if ids is None else done.where(V.design_id.in_(ids))).all()
    leading = _leading_corpora(c) if corpus_hash is None and rows else {}
    values: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for design, scale, seed, corpus, score in rows:
        if corpus == (corpus_hash or leading[scale]):
            values[design, scale][seed].append(score)
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    seeds: dict[str, dict[str, int]] = defaultdict(dict)
    for (design, scale), by_seed in values.items():
        scores[design][scale] = fmean(fmean(v) for v in by_seed.values())
        seeds[design][scale] = len(by_seed)
    return {row.design_id for row in rows}, dict(scores), dict(seeds)


def _leading_corpora(c: Connection) -> dict[str, str]:
    """scale → the corpus on which most designs were measured; scores on different corpora are never compared."""
    V = VerificationRow
    designs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for scale, corpus, design in c.execute(select(V.scale, V.corpus_hash, V.design_id).where(V.bits_per_byte.is_not(None)).order_by(V.id)):
        designs[scale, corpus].add(design)
    best: dict[str, tuple[int, str]] = {}
    for (scale, corpus), measured in designs.items():
        if len(measured) > best.get(scale, (0, ""))[0]:
            best[scale] = (len(measured), corpus)
    return {scale: corpus for scale, (_, corpus) in best.items()}


def _generations(c: Connection, rows: Iterable, parents: dict[str, list[str]], complete: bool) -> dict[str, int]:
    """0 for roots, else one more than the deepest parent. Parents are always older than children."""
    if not complete:
        parents = defaultdict(list)
        for child, parent in c.execute(select(ParentRow.child_id, ParentRow.parent_id)):
            parents[child].append(parent)
    known: dict[str, int] = {}
    for start in [row.id for row in rows]:
        stack = [start]
        while stack:
            node = stack[-1]
            waiting = [p for p in parents[node] if p not in known]
            if waiting:
                stack += waiting
            else:
                known[node] = 1 + max((known[p] for p in parents[node]), default=-1)
                stack.pop()
    return known
