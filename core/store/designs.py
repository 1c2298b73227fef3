"""Designs: the nodes of the tree, with all that is derived from their proposals, checks, decisions and verifications."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute

from core.errors import NotFound
from core.store.current import OWN, Current, with_settings
from core.store.engine import Database
from core.store.suspicion import suspects
from core.store.tables import (
    CheckRow,
    DecisionRow,
    DesignRow,
    ImplementationRow,
    ParentRow,
    ProposalRow,
    ReviewRow,
    SessionRow,
    VerificationRow,
)
from core.store.undone import standing
from core.store.wishes import NOTHING, wishes
from core.types import Design, Kind, Mode, Status, Verb

COLUMNS = (DesignRow.id, DesignRow.title, DesignRow.kind, DesignRow.mode, DesignRow.author, DesignRow.session_id, DesignRow.summary,
           DesignRow.created_at)
FEW = 500            # designs up to which their ancestors are found by following parents, and not by reading the whole tree
KINDS, MODES = {str(k): k for k in Kind}, {str(m): m for m in Mode}      # of ten thousand designs a look is much sooner done than a call
JUDGEMENTS = (Verb.APPROVE, Verb.REFUSE, Verb.RESET, Verb.SEND_BACK)
Scores = dict[str, dict[str, float]]
Seeds = dict[str, dict[str, int]]
Marked = Mapping[str, Sequence[str]]      # design → scales
Generations = dict[tuple[str, datetime], int]     # a transaction that was taken back leaves an id free for another design: (id, when it came) is of one


class Designs:
    def __init__(self, database: Database, current: Current) -> None:
        self._db = database
        self._current = current
        self._generations: Generations = {}      # of designs that were read: their parents never change

    def add(self, id: str, title: str, kind: Kind, mode: Mode, parents: Sequence[str] = (), author: str = "", session_id: str | None = None,
            index: int | None = None, summary: str = "") -> Design:
        """Add a node; one of that id that is there already is returned as it is. Parents must exist."""
        parents = list(dict.fromkeys(parents))
        with self._db.write() as c:
            known = set(c.execute(select(DesignRow.id).where(DesignRow.id.in_([*parents, id]))).scalars())
            missing = [p for p in parents if p not in known]
            if missing:
                raise NotFound(f"{id}: there is no parent {', '.join(missing)}", "add the parents first")
            added = c.execute(self._db.insert(DesignRow).values(
                id=id, title=title, kind=str(kind), mode=str(mode), author=author, session_id=session_id, position=index, summary=summary,
                created_at=datetime.now(UTC)).on_conflict_do_nothing(index_elements=["id"]).returning(DesignRow.seq)).first()
            if added and parents:
                c.execute(insert(ParentRow), [{"child_id": id, "position": n, "parent_id": p} for n, p in enumerate(parents)])
        return self.get(id)

    def get(self, id: str) -> Design:
        """Raises NotFound, naming ids that look alike."""
        with self._db.read() as c:
            found = self._derive(c, None, [id])
            if found:
                return found[0]
            near = difflib.get_close_matches(id, c.execute(select(DesignRow.id)).scalars().all(), 3, 0.5)
        raise NotFound(f"there is no design {id!r}", f"did you mean {' or '.join(near)}?" if near else "list them: python -m core designs")

    def all(self, corpus_hash: str | None = None) -> list[Design]:
        """Oldest first. `scores` are those on one corpus: the given one, or at each scale the one on which most was measured."""
        with self._db.read() as c:
            return self._derive(c, corpus_hash, None)

    def of_sessions(self, session_ids: Sequence[str], corpus_hash: str | None = None) -> list[Design]:
        """Of them all, a session's together and in its order; a fixed number of queries. `scores` as in `all`."""
        order = select(DesignRow.id).where(DesignRow.session_id.in_(session_ids)).order_by(DesignRow.session_id, DesignRow.position, DesignRow.seq)
        with self._db.read() as c:
            ids = c.execute(order).scalars().all() if session_ids else []
            found = {d.id: d for d in self._derive(c, corpus_hash, ids)}
        return [found[i] for i in ids]

    def ids_of_run(self, run_id: str) -> set[str]:
        """Of the designs that a run's sessions made."""
        query = select(DesignRow.id).join(SessionRow, SessionRow.id == DesignRow.session_id).where(SessionRow.run_id == run_id)
        with self._db.read() as c:
            return set(c.execute(query).scalars())

    def some(self, ids: Sequence[str]) -> list[Design]:
        """Those of these ids that there are, in this order."""
        with self._db.read() as c:
            found = {d.id: d for d in self._derive(c, None, list(ids))}
        return [found[i] for i in ids if i in found]

    def of_session(self, session_id: str) -> list[Design]:
        with self._db.read() as c:
            ids = c.execute(select(DesignRow.id).where(DesignRow.session_id == session_id).order_by(DesignRow.position)).scalars().all()
            found = {d.id: d for d in self._derive(c, None, ids)}
        return [found[i] for i in ids]

    def _derive(self, c: Connection, corpus_hash: str | None, ids: Sequence[str] | None) -> list[Design]:
        return _derive(c, corpus_hash, ids, self._current, self._generations)


def _derive(c: Connection, corpus_hash: str | None, ids: Sequence[str] | None, current: Current, known: Generations) -> list[Design]:
    """The designs of these ids (all when None), a fixed number of queries whatever their number."""
    if ids is not None and not ids:
        return []

    def of(query: Select, column: InstrumentedAttribute) -> Select:
        return query if ids is None else query.where(column.in_(ids))

    rows = c.execute(of(select(*COLUMNS).order_by(DesignRow.seq), DesignRow.id)).all()
    edges = select(ParentRow.child_id, ParentRow.parent_id).order_by(ParentRow.child_id, ParentRow.position)
    parents = _grouped(c.execute(of(edges, ParentRow.child_id)).all())
    titles = _last(c, of(select(ProposalRow.design_id, ProposalRow.title).order_by(ProposalRow.id), ProposalRow.design_id))
    judged = select(DecisionRow.design_id, DecisionRow.verb).where(DecisionRow.verb.in_(JUDGEMENTS), standing()).order_by(DecisionRow.id)
    verdicts = _last(c, of(judged, DecisionRow.design_id))
    code = _last(c, of(select(ImplementationRow.design_id, ImplementationRow.id).order_by(ImplementationRow.id), ImplementationRow.design_id))
    checked = select(CheckRow.implementation_id, CheckRow.passed).order_by(CheckRow.id)
    checks = _last(c, checked if ids is None else checked.where(CheckRow.implementation_id.in_(list(code.values()))))
    ratings = _ratings(c, ids)
    wanted = wishes(c, ids)
    verified, scores, seeds, older, held = _scores(c, corpus_hash, ids, current, code)
    if new := [row.id for row in rows if (row.id, row.created_at) not in known]:
        found = _generations(new, parents if ids is None else _grouped(c.execute(edges if len(new) > FEW else edges.where(ParentRow.child_id.in_(_ancestry(new)))).all()))
        known |= {(row.id, row.created_at): found[row.id] for row in rows if row.id in found}
    return [
        Design(
            id=id, title=titles.get(id, title), kind=KINDS[kind], mode=MODES[mode], parents=tuple(parents.get(id, ())), author=author,
            session_id=session_id, generation=known[id, created_at], created_at=created_at, summary=summary, rating=ratings.get(id),
            status=_status(KINDS[kind], id in verified, verdicts.get(id), code.get(id), checks), scores=scores.get(id, {}), n_seeds=seeds.get(id, {}),
            older=tuple(older.get(id, ())), held_back=tuple(held.get(id, ())),
            tags=(wish := wanted.get(id, NOTHING)).kept_tags, pinned=wish.pinned, boost=wish.boost, pruned=wish.pruned, wished=wish.by)
        for id, title, kind, mode, author, session_id, summary, created_at in rows]


def _ancestry(ids: Sequence[str]) -> Select:
    """These ids, and those of all from which they descend."""
    up = select(DesignRow.id).where(DesignRow.id.in_(ids)).cte("up", recursive=True)
    up = up.union(select(ParentRow.parent_id).join(up, ParentRow.child_id == up.c.id))
    return select(up.c.id)


def _last(c: Connection, pairs: Select) -> dict[Any, Any]:
    """key → the value of its last row."""
    return {key: value for key, value in c.execute(pairs).all()}


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


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
    for design, revision, rating in c.execute(query if ids is None else query.where(ProposalRow.design_id.in_(ids))).all():
        found[design][revision].append(rating)
    return {design: fmean(revisions[max(revisions)]) for design, revisions in found.items()}


def _scores(c: Connection, corpus_hash: str | None, ids: Sequence[str] | None, current: Current, code: Mapping[str, int]) -> tuple[set[str], Scores, Seeds, Marked, Marked]:
    """(ids measured at all, id → scale → mean over seeds, id → scale → number of seeds, id → scales whose score is of other code than `code`, the newest, id → scales with a score held back)
    of what counts together: runs at the scale's learning rate, with its settings as they are now, of the newest code that was measured there (core/store/current.py).
    A suspicious score does not count until it was audited.
    """
    V = VerificationRow
    done = select(V.id, V.design_id, V.scale, V.seed, V.corpus_hash, V.implementation_id, V.bits_per_byte, V.settings, OWN.label("own")).where(V.bits_per_byte.is_not(None)).order_by(V.id)
    rows = c.execute(done if ids is None else done.where(V.design_id.in_(ids))).all()
    if not rows:
        return set(), {}, {}, {}, {}
    settings = current.settings(c) if ids is not None else current.settings_of(rows)
    alike = [r for r in rows if not r.own and r.settings in ("", settings.get(r.scale, r.settings))]
    leading = {} if corpus_hash is not None else _leading(alike) if ids is None else _leading_among(c, settings)
    held_back = {id for id, suspect in suspects(c).items() if not suspect.counts}
    held_rows: set[tuple[str, str, int]] = set()
    values: dict[tuple[str, str], dict[int, dict[int, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))   # → implementation → seed
    for r in alike:
        if r.corpus_hash == (corpus_hash or leading[r.scale]):
            by_seed = values[r.design_id, r.scale][r.implementation_id]
            if r.id in held_back:
                held_rows.add((r.design_id, r.scale, r.implementation_id))
            else:
                by_seed[r.seed].append(r.bits_per_byte)
    scores: Scores = defaultdict(dict)
    seeds: Seeds = defaultdict(dict)
    outdated: list[tuple[str, str, int]] = []
    held: dict[str, list[str]] = defaultdict(list)
    for (design, scale), revisions in values.items():
        if (design, scale, max(revisions)) in held_rows:
            held[design].append(scale)
        if by_seed := revisions[max(revisions)]:
            scores[design][scale] = fmean(fmean(v) for v in by_seed.values())
            seeds[design][scale] = len(by_seed)
            if max(revisions) != code.get(design):
                outdated.append((design, scale, max(revisions)))
    return {r.design_id for r in rows}, dict(scores), dict(seeds), _of_other_code(c, outdated, code), held


def _of_other_code(c: Connection, measured: Sequence[tuple[str, str, int]], newest: Mapping[str, int]) -> Marked:
    """design → scales. A revision that is word for word another one is the same code. `measured`: (design, scale, implementation)."""
    if not measured:
        return {}
    wanted = {i for _, _, i in measured} | {newest[d] for d, _, _ in measured if d in newest}
    hashes = {id: code_hash for id, code_hash in c.execute(select(ImplementationRow.id, ImplementationRow.code_hash).where(ImplementationRow.id.in_(wanted)))}
    found: dict[str, list[str]] = defaultdict(list)
    for design, scale, implementation in measured:
        if design in newest and hashes.get(implementation) != hashes.get(newest[design]):
            found[design].append(scale)
    return found


def _leading(rows: Iterable[Row]) -> dict[str, str]:
    """scale → the corpus on which most designs were measured (the older of two); scores on different corpora are never compared."""
    designs: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for r in rows:
        designs[r.scale][r.corpus_hash].add(r.design_id)
    return {scale: max(corpora, key=lambda h: len(corpora[h])) for scale, corpora in designs.items()}


def _leading_among(c: Connection, settings: Mapping[str, str]) -> dict[str, str]:
    """The same of all designs, where only some were read."""
    V = VerificationRow
    counted = (select(V.scale, V.corpus_hash).where(V.bits_per_byte.is_not(None), ~OWN, with_settings(settings)).group_by(V.scale, V.corpus_hash)
               .order_by(func.count(V.design_id.distinct()), func.min(V.id).desc()))
    return _last(c, counted)


def _generations(ids: Iterable[str], parents: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """0 for roots, else one more than the deepest parent. The tree may be deeper than Python's stack."""
    known: dict[str, int] = {}
    for start in ids:
        stack = [start]
        while stack:
            node = stack[-1]
            own = parents.get(node, ())
            waiting = [p for p in own if p not in known]
            if waiting:
                stack += waiting
            else:
                known[node] = 1 + max((known[p] for p in own), default=-1)
                stack.pop()
    return known
