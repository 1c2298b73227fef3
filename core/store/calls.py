"""Calls to language models: a row a try, with what was reserved for it, what it said and what it cost.

A try begins and ends in one transaction each: its row and its entries in the ledger stand or fall together. A key has one open try at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, case, func, insert, select, update

from core.errors import Conflict
from core.store.engine import Database
from core.store.ledger import Ledger
from core.store.tables import CallRow
from core.types import Call, CallState, Json, Spent

SLACK_S = 30.0  # past its deadline, before a try is held for lost


class Calls:
    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._db = database
        self._ledger = ledger

    def begin(self, key: str, request_hash: str, request: Json, model: str, held: Mapping[str, float], deadline_s: float, *, stream: str = "", author: str = "",
              revision: str = "", design_id: str | None = None, run_id: str = "", process: str = "") -> Call:
        """Reserve and record the next try of a key. Raises Conflict while another one is open, BudgetExceeded when an account has not enough left."""
        with self._db.together() as c:
            self._db.serialise(c, f"calls:{key}")
            attempt, open_ = c.execute(select(func.count(), func.sum(case((CallRow.state == CallState.ASKED, 1), else_=0))).where(CallRow.key == key)).one()
            if open_:
                raise Conflict(f"{key} is being asked already", "wait for its answer")
            for account, amount in sorted(held.items()):  # in one order everywhere: two of them never wait for each other
                self._ledger.reserve(account, f"{key}#{attempt + 1}", amount)
            now = self._db.now(c)
            row = {"key": key, "attempt": attempt + 1, "stream": stream, "author": author, "revision": revision, "design_id": design_id, "run_id": run_id,
                   "model": model, "request": request, "request_hash": request_hash, "held": dict(held), "process": process, "started_at": now,
                   "deadline_at": now + timedelta(seconds=deadline_s + SLACK_S), "state": CallState.ASKED, "answer": None, "error": "", "usage": {},
                   "input_tokens": 0, "output_tokens": 0, "cached_tokens": 0, "money": None, "seconds": 0.0, "finished_at": None}
            ident = c.execute(insert(CallRow).returning(CallRow.id), row).scalar_one()
            return _call(c.execute(select(CallRow).where(CallRow.id == ident)).one())

    def finish(self, call: Call, state: CallState, *, usage: Mapping[str, Any], money: float | None, charges: Mapping[str, float], answer: Json | None = None,
               error: str = "", seconds: float = 0.0) -> bool:
        """Record the end of a try and settle its reservations; `charges`: account → what it really took. False when it had ended already."""
        with self._db.together() as c:
            now = self._db.now(c)
            changed = c.execute(update(CallRow).where(CallRow.id == call.id, CallRow.state == CallState.ASKED).values(
                state=state, answer=answer, error=error, usage=dict(usage), input_tokens=usage.get("input", 0), output_tokens=usage.get("output", 0),
                cached_tokens=usage.get("cached", 0), money=money, seconds=seconds, finished_at=now)).rowcount
            if changed:
                for account in sorted(call.held):
                    self._ledger.settle(account, f"{call.key}#{call.attempt}", charges.get(account, 0.0))
            return bool(changed)

    def answered(self, key: str, request_hash: str) -> Call | None:
        """The answer that is stored for this very request."""
        return self._last(CallRow.key == key, CallRow.request_hash == request_hash, CallRow.state == CallState.ANSWERED)

    def open(self, key: str) -> Call | None:
        """The try of a key that is under way, or whose process was killed."""
        return self._last(CallRow.key == key, CallRow.state == CallState.ASKED)

    def all_open(self) -> list[Call]:
        return self._all(CallRow.state == CallState.ASKED)

    def is_late(self, call: Call) -> bool:
        """Whether its deadline passed so long ago that nobody can be waiting for its answer."""
        with self._db.read() as c:
            return self._db.now(c) > call.deadline_at

    def of_key(self, key: str) -> list[Call]:
        """Every try, oldest first."""
        return self._all(CallRow.key == key)

    def of_stream(self, stream: str) -> list[Call]:
        return self._all(CallRow.stream == stream)

    def recent(self, limit: int = 100) -> list[Call]:
        """Newest first."""
        with self._db.read() as c:
            return [_call(r) for r in c.execute(select(CallRow).order_by(CallRow.id.desc()).limit(limit))]

    def shares(self, of: str) -> dict[str, Spent]:
        """What each `author` or `model` took, the dearest first."""
        column = {"author": CallRow.author, "model": CallRow.model}[of]
        query = select(column, *_SUMS).where(CallRow.state != CallState.ASKED).group_by(column)
        with self._db.read() as c:
            found = {row[0]: _spent(row[1:]) for row in c.execute(query)}
        return dict(sorted(found.items(), key=lambda pair: (-pair[1].money, -pair[1].tokens)))

    def by_design(self) -> dict[str, Spent]:
        """Of every design that any call was about."""
        query = select(CallRow.design_id, *_SUMS).where(CallRow.state != CallState.ASKED, CallRow.design_id.is_not(None)).group_by(CallRow.design_id)
        with self._db.read() as c:
            return {row[0]: _spent(row[1:]) for row in c.execute(query)}

    def spent(self, key: str | None = None, stream: str | None = None, design: str | None = None, run: str | None = None) -> Spent:
        """Tokens and money of one key, dialog, design or run, failed tries included; of everything when none is named."""
        wanted = ((CallRow.key, key), (CallRow.stream, stream), (CallRow.design_id, design), (CallRow.run_id, run))
        ended = CallRow.state != CallState.ASKED
        with self._db.read() as c:
            return _spent(c.execute(select(*_SUMS).where(ended, *(column == value for column, value in wanted if value is not None))).one())

    def _last(self, *conditions: Any) -> Call | None:
        with self._db.read() as c:
            row = c.execute(select(CallRow).where(*conditions).order_by(CallRow.id.desc()).limit(1)).first()
        return _call(row) if row else None

    def _all(self, *conditions: Any) -> list[Call]:
        with self._db.read() as c:
            return [_call(r) for r in c.execute(select(CallRow).where(*conditions).order_by(CallRow.id))]


_SUMS = (func.count(), func.sum(case((CallRow.state == CallState.ANSWERED, 1), else_=0)), func.sum(CallRow.input_tokens), func.sum(CallRow.output_tokens),
         func.sum(CallRow.cached_tokens), func.sum(CallRow.money), func.count() - func.count(CallRow.money))


def _spent(row: Any) -> Spent:
    """Of `_SUMS`."""
    return Spent(*(int(n or 0) for n in row[:5]), round(row[5] or 0.0, 6), row[6])


def _call(r: Row) -> Call:
    return Call(r.id, r.key, r.attempt, r.stream, r.author, r.revision, r.design_id, r.run_id, r.model, r.request, r.request_hash, r.held, r.process,
                CallState(r.state), r.answer, r.error, r.usage, r.money, r.seconds, r.started_at, r.deadline_at, r.finished_at)
