"""The budget ledger: append-only entries, exact under concurrency.

Each verb locks its account (a row on PostgreSQL, the whole database on SQLite), sums the entries, and adds one. For an account
left = grants − reservations + releases: a spend only marks what a reservation took, so it can never be refused. Sums are
compared in whole millionths, since 0.1 + 0.2 is not 0.3 in floating point.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select

from core.errors import BudgetExceeded, Conflict, UsageError
from core.store.engine import Database
from core.store.tables import AccountRow, LedgerRow
from core.types import Account

DIGITS = 6


class Ledger:
    def __init__(self, database: Database) -> None:
        self._db = database

    def grant(self, account: str, amount: float, author: str, reason: str = "") -> None:
        """Add to the account, or take from it; never below what is spent and reserved."""
        with self._db.write() as c:
            self._lock(c, account)
            self._grant(c, account, _checked(amount), author, reason)

    def set(self, account: str, total: float, author: str) -> None:
        """Make the grants sum to `total`. Raises BudgetExceeded below what is spent and reserved."""
        with self._db.write() as c:
            self._lock(c, account)
            self._grant(c, account, _checked(total) - _balance(c, account).granted, author, "set")

    def reserve(self, account: str, subject: str, amount: float = 1.0) -> None:
        """Set `amount` aside for a subject; a subject that holds a reservation or was paid for is not charged again."""
        if _checked(amount) <= 0:
            raise UsageError(f"{amount:g} cannot be reserved", "reserve more than nothing")
        with self._db.write() as c:
            self._lock(c, account)
            own = _balance(c, account, subject)
            if own.reserved > 0 or own.spent > 0:
                return
            now = _balance(c, account)
            if _millionths(now.left) < _millionths(amount):
                raise BudgetExceeded(f"the budget of {account} has {now.left:g} left, {amount:g} needed for {subject}",
                                     f"python -m core budget {account} {now.granted + amount - now.left:g}")
            _enter(c, account, "reserve", subject, amount)

    def spend(self, account: str, subject: str) -> None:
        """Turn the subject's reservation into a spend. Nothing happens the second time; without either, Conflict."""
        with self._db.write() as c:
            self._lock(c, account)
            own = _balance(c, account, subject)
            if own.reserved > 0:
                _enter(c, account, "spend", subject, own.reserved)
            elif own.spent <= 0:
                raise Conflict(f"{subject} holds no reservation of {account} that could be spent", "reserve it again; what was made is kept")

    def settle(self, account: str, subject: str, actual: float) -> float:
        """Spend `actual` of the subject's reservation and give the rest back, at once. What was charged.

        More than was reserved is taken from what is left, as far as that goes: the account stays above zero. The second time, or
        without a reservation, nothing happens.
        """
        with self._db.write() as c:
            self._lock(c, account)
            held = _balance(c, account, subject).reserved
            if held <= 0:
                return 0.0
            charged = max(0.0, min(_checked(actual), held + max(0.0, _balance(c, account).left)))
            for kind, amount in (("reserve", charged - held), ("release", held - charged), ("spend", charged)):
                if _millionths(amount) > 0:
                    _enter(c, account, kind, subject, amount)
            return round(charged, DIGITS)

    def opened(self, account: str) -> bool:
        """Whether anybody ever granted it anything, be it zero; what was not opened limits nothing."""
        with self._db.read() as c:
            return c.execute(select(LedgerRow.id).where(LedgerRow.account == account, LedgerRow.kind == "grant").limit(1)).first() is not None

    def release(self, account: str, subject: str) -> None:
        """Give the subject's reservation back; without one, nothing happens."""
        with self._db.write() as c:
            self._lock(c, account)
            held = _balance(c, account, subject).reserved
            if held > 0:
                _enter(c, account, "release", subject, held)

    def reserved(self, account: str, subject: str) -> float:
        """What is set aside for the subject."""
        with self._db.read() as c:
            return _balance(c, account, subject).reserved

    def holders(self, account: str) -> list[str]:
        """The subjects for which something is set aside."""
        query = select(LedgerRow.subject, LedgerRow.kind, func.sum(LedgerRow.amount)).where(LedgerRow.account == account, LedgerRow.subject != "")
        sums: dict[str, dict[str, float]] = {}
        with self._db.read() as c:
            for subject, kind, amount in c.execute(query.group_by(LedgerRow.subject, LedgerRow.kind).order_by(func.min(LedgerRow.id))):
                sums.setdefault(subject, {})[kind] = amount
        return [subject for subject, entry in sums.items() if _account(account, entry).reserved > 0]

    def account(self, name: str) -> Account:
        """All zeros for a name that nobody has granted anything."""
        with self._db.read() as c:
            return _balance(c, name)

    def accounts(self) -> list[Account]:
        """In the order in which they were opened."""
        query = select(LedgerRow.account, LedgerRow.kind, func.sum(LedgerRow.amount)).group_by(LedgerRow.account, LedgerRow.kind)
        sums: dict[str, dict[str, float]] = {}
        with self._db.read() as c:
            for name, kind, amount in c.execute(query.order_by(func.min(LedgerRow.id))):
                sums.setdefault(name, {})[kind] = amount
        return [_account(name, entry) for name, entry in sums.items()]

    def _grant(self, c: Connection, account: str, amount: float, author: str, reason: str) -> None:
        now = _balance(c, account)
        if _millionths(now.left + amount) < 0:
            raise BudgetExceeded(
                f"the budget of {account} cannot be {now.granted + amount:g}: {now.spent:g} are spent and {now.reserved:g} reserved",
                f"set at least {now.spent + now.reserved:g}, or cancel what is queued")
        _enter(c, account, "grant", "", amount, author, reason)

    def _lock(self, c: Connection, account: str) -> None:
        c.execute(self._db.insert(AccountRow).values(name=account).on_conflict_do_nothing())
        c.execute(select(AccountRow.name).where(AccountRow.name == account).with_for_update())


def _checked(amount: float) -> float:
    if not math.isfinite(amount):
        raise UsageError(f"{amount} is no amount", "give a number")
    return round(amount, DIGITS)


def _millionths(amount: float) -> int:
    return round(amount * 10**DIGITS)


def _account(name: str, sums: dict[str, float]) -> Account:
    spent = sums.get("spend", 0.0)
    reserved = sums.get("reserve", 0.0) - sums.get("release", 0.0) - spent
    return Account(name, round(sums.get("grant", 0.0), DIGITS), round(spent, DIGITS), round(reserved, DIGITS) + 0.0)  # + 0.0: never -0.0


def _balance(c: Connection, account: str, subject: str | None = None) -> Account:
    """The account's sums; with a subject, those of its entries alone."""
    query = select(LedgerRow.kind, func.sum(LedgerRow.amount)).where(LedgerRow.account == account).group_by(LedgerRow.kind)
    rows = c.execute(query if subject is None else query.where(LedgerRow.subject == subject))
    return _account(account, {kind: amount for kind, amount in rows})


def _enter(c: Connection, account: str, kind: str, subject: str, amount: float, author: str = "", reason: str = "") -> None:
    c.execute(insert(LedgerRow).values(
        account=account, kind=kind, subject=subject, amount=round(amount, DIGITS), author=author, reason=reason, created_at=datetime.now(UTC)))
