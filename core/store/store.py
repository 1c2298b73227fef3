"""`Store.open(config)`: the verbs are grouped by noun, each writing one transaction and returning the nouns of core/types.py."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from core.config import Config
from core.errors import NewerDatabase, StoreError
from core.store import migrations
from core.store.calls import Calls
from core.store.citations import Citations, Lookups
from core.store.costs import CostTable
from core.store.current import Current
from core.store.curves import Curves
from core.store.designs import Designs
from core.store.engine import Database
from core.store.events import Events
from core.store.gates import GateBook
from core.store.guidance import GuidanceUses
from core.store.ledger import Ledger
from core.store.measurements import Measurements
from core.store.papers import Papers
from core.store.sessions import Sessions
from core.store.specs import SpecRevisions
from core.store.tables import (
    AuditRow,
    CheckRow,
    CostRow,
    DecisionRow,
    DesignRow,
    EventRow,
    ImplementationRow,
    LedgerRow,
    ProbeRow,
    ProposalRow,
    ReviewRow,
    SessionRow,
    TaskRow,
    VerificationRow,
)
from core.store.texts import Checks, Decisions, Implementations, Proposals, Reviews
from core.store.verifications import Verifications
from core.store.waiting import WaitingReads
from core.types import UnitTree

if TYPE_CHECKING:
    import networkx as nx


class Store:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.url = database.shown
        self.current = Current()         # told by whoever knows the ladder
        self.designs = Designs(database, self.current)
        self.proposals = Proposals(database)
        self.reviews = Reviews(database)
        self.decisions = Decisions(database)
        self.implementations = Implementations(database)
        self.checks = Checks(database)
        self.verifications = Verifications(database, self.current)
        self.measurements = Measurements(database)
        self.curves = Curves(database)
        self.costs = CostTable(database)
        self.sessions = Sessions(database)
        self.events = Events(database)
        self.gates = GateBook(database, self.decisions, self.events)
        self.ledger = Ledger(database)
        self.calls = Calls(database, self.ledger)
        self.guidance = GuidanceUses(database)
        self.waiting = WaitingReads(database)
        self.specs = SpecRevisions(database)
        self.papers = Papers(database)
        self.citations = Citations(database)
        self.lookups = Lookups(database)

    @classmethod
    def open(cls, config: Config, migrate: bool = False) -> Store:
        """Raises StoreError when the database is missing or old (unless `migrate`), NewerDatabase when it is ahead of this program."""
        config.make_dirs()
        database = Database(config.database_url)
        try:
            _be_current(database, migrate)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        self.database.close()

    def together(self) -> AbstractContextManager[Connection]:
        """`with store.together():` makes one transaction of the verbs inside: all or none."""
        return self.database.together()

    def tree(self, corpus_hash: str | None = None) -> nx.DiGraph:
        """The design tree: node id → {"design": Design}, edges from parent to child."""
        from core.store.tree import tree_of

        return tree_of(self.designs.all(corpus_hash))

    def unit_trees(self) -> list[tuple[str, UnitTree]]:
        """Every design that has a unit tree, with its newest one."""
        with self.database.read() as c:
            rows = c.execute(select(ProposalRow.design_id, ProposalRow.units).order_by(ProposalRow.id))
            newest = {design_id: units for design_id, units in rows}
        return [(design_id, UnitTree.from_dict(units)) for design_id, units in newest.items() if units]

    def version(self) -> str:
        """Changes whenever the tree does; cheap enough to ask on every redraw."""
        tables = (DesignRow.seq, ProposalRow.id, ReviewRow.id, DecisionRow.id, ImplementationRow.id, CheckRow.id, SessionRow.seq, AuditRow.id, ProbeRow.id)
        counters = [select(func.max(column)).scalar_subquery() for column in tables]
        counters.append(select(func.count(VerificationRow.finished_at)).scalar_subquery())
        counters.append(select(func.count(SessionRow.closed_at)).scalar_subquery())
        counters.append(select(func.max(LedgerRow.id)).scalar_subquery())
        counters += [select(func.count(TaskRow.verification_id)).scalar_subquery(), select(func.count(CostRow.code_hash)).scalar_subquery()]
        with self.database.read() as c:
            return "-".join(str(value or 0) for value in c.execute(select(*counters)).one())

    def grown(self) -> str:
        """Changes whenever a design is added or a proposal is written; a part of `version` that judgements and measurements leave alone."""
        with self.database.read() as c:
            return "-".join(str(value or 0) for value in c.execute(select(
                *(select(func.max(column)).scalar_subquery() for column in (DesignRow.seq, ProposalRow.id)))).one())

    def measured(self) -> str:
        """Changes whenever a verification ends or is audited, or code is written; a part of `version` that a person's decisions leave alone."""
        with self.database.read() as c:
            return "-".join(str(value or 0) for value in c.execute(select(
                select(func.count(VerificationRow.finished_at)).scalar_subquery(), select(func.max(VerificationRow.finished_at)).scalar_subquery(),
                select(func.max(AuditRow.id)).scalar_subquery(), select(func.max(ImplementationRow.id)).scalar_subquery())).one())

    def last_event_id(self) -> int:
        with self.database.read() as c:
            return c.execute(select(func.max(EventRow.id))).scalar() or 0


def _be_current(database: Database, migrate: bool) -> None:
    with database.read() as c:
        at = migrations.revision(c)
    if at == migrations.HEAD:
        return
    if at is not None and at not in migrations.known_revisions():
        raise NewerDatabase(f"{database.shown} was written by a later version of this program (schema {at}, this one knows {migrations.HEAD})",
                            "update the program, or set DATA_DIR to another directory; nothing was changed")
    if not migrate:
        state = f"is at schema {at}, this program needs {migrations.HEAD}" if at else "holds no tables yet"
        raise StoreError(f"{database.shown} {state}", "python -m core init")
    with database.write() as c:
        database.serialise(c, "migrations")  # two programs starting at once: the second finds it done
        if migrations.revision(c) != migrations.HEAD:
            migrations.upgrade(c)
