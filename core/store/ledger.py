"""The budget ledger: append-only entries, exact under concurrency.

Each verb locks its account (a row on PostgreSQL, the whole database on SQLite), sums the entries, and adds one. For an account
left = grants − reservations + releases: a spend only marks what a reservation took, so it can never be refused.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from core.errors import BudgetExceeded
from core.store.engine import Database
from core.store.tables import AccountRow, LedgerRow
from core.types import Account


class Ledger:
    def __init__(self, database: Database) -> None:
        self._db = database

    def grant(self, account: str, amount: float, author: str, reason: str = "") -> None:
        with self._db.write() as c:
            self._lock(c, account)
            _enter(c, account, "grant", "", amount, author, reason)

    def set(self, account: str, total: float, author: str) -> None:
        """Make the grants sum to `total`. Raises BudgetExceeded below what is spent and reserved."""
        with self._db.write() as c:
            self._lock(c, account)
            now = _balance(c, account)
            if total < now.spent + now.reserved:
                raise BudgetExceeded(f"the budget of {account} cannot be {total:g}: {now.spent:g} are spent and {now.reserved:g} reserved",
                                     f"set at least {now.spent + now.reserved:g}, or cancel what is queued")
            _enter(c, account, "grant", "", total - now.granted, author, "set")

    def reserve(self, account: str, subject: str, amount: float = 1.0) -> None:
        """Set `amount` aside for a subject; a subject that holds a reservation or was paid for is not charged again."""
        with self._db.write() as c:
            self._lock(c, account)
            held, spent = _of_subject(c, account, subject)
            if held > 0 or spent > 0:
                return
            now = _balance(c, account)
            if now.left < amount:
                raise BudgetExceeded(f"the budget of {account} has {now.left:g} left, {amount:g} needed for {subject}",
                                     f"python -m core budget {account} {now.granted + amount - now.left:g}")
            _enter(c, account, "reserve", subject, amount)

    def spend(self, account: str, subject: str) -> None:
        """Turn the subject's reservation into a spend; without one, nothing happens."""
        self._settle(account, subject, "spend")

    def release(self, account: str, subject: str) -> None:
        """Give the subject's reservation back; without one, nothing happens."""
        self._settle(account, subject, "release")

    def _settle(self, account: str, subject: str, kind: str) -> None:
        with self._db.write() as c:
            self._lock(c, account)
            held, _ = _of_subject(c, account, subject)
            if held > 0:
                _enter(c, account, kind, subject, held)

    def account(self, name: str) -> Account:
        with self._db.read() as c:
            return _balance(c, name)

    def accounts(self) -> list[Account]:
        with self._db.read() as c:
            sums: dict[str, dict[str, float]] = {}
            for name, kind, amount in c.execute(select(LedgerRow.account, LedgerRow.kind, func.sum(LedgerRow.amount)).group_by(
                    LedgerRow.account, LedgerRow.kind).order_by(func.min(LedgerRow.id))):
                sums.setdefault(name, {})[kind] = amount
        return [_account(name, entry) for name, entry in sums.items()]

    def _lock(self, c: Connection, account: str) -> None:
        insert_new = sqlite.insert if self._db.is_sqlite else postgresql.insert
        c.execute(insert_new(AccountRow).values(name=account).on_conflict_do_nothing())
        c.execute(select(AccountRow.name).where(AccountRow.name == account).with_for_update())


def _account(name: str, sums: dict[str, float]) -> Account:
    spent = sums.get("spend", 0.0)
    return Account(name, sums.get("grant", 0.0), spent, sums.get("reserve", 0.0) - sums.get("release", 0.0) - spent)


def _balance(c: Connection, account: str) -> Account:
    rows = c.execute(select(LedgerRow.kind, func.sum(LedgerRow.amount)).where(LedgerRow.account == account).group_by(LedgerRow.kind))
    return _account(account, {kind: amount for kind, amount in rows})


def _of_subject(c: Connection, account: str, subject: str) -> tuple[float, float]:
    """(held in reservation, spent) by the subject."""
    rows = c.execute(select(LedgerRow.kind, func.sum(LedgerRow.amount)).where(
        LedgerRow.account == account, LedgerRow.subject == subject).group_by(LedgerRow.kind))
    entry = _account(account, {kind: amount for kind, amount in rows})
    return entry.reserved, entry.spent


def _enter(c: Connection, account: str, kind: str, subject: str, amount: float, author: str = "", reason: str = "") -> None:
    c.execute(insert(LedgerRow).values(
        account=account, kind=kind, subject=subject, amount=amount, author=author, reason=reason, created_at=datetime.now(UTC)))
