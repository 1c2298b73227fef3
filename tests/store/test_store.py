"""What is stored is kept, in order, and derived the same way on every database."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from core.config import Config
from core.errors import BudgetExceeded, ConfigError, Conflict, NewerDatabase, NotFound, StoreError
from core.store import Store, migrations
from core.types import CheckReport, CheckResult, CurvePoint, Fit, Kind, Metrics, Mode, Status, UnitTree, Verb

UNITS = UnitTree("pre_norm", {"x": 1}, {"norm": UnitTree("rms_norm")})
REPORT = CheckReport(True, "nano", (CheckResult("forward", "pass", "fine", 0.1),), Fit(4, 128, 10, 5, 11), "printed", ("limits",), 1.5)


def metrics(score: float) -> Metrics:
    return Metrics(score, 0.01, 3.0, 20.0, 3.1, 30, 100.0, 1.0, 0.5, 100, 10, 4, 128, 50.0, {})


def grow(store: Store) -> None:
    store.designs.add("a", "A", Kind.REFERENCE, Mode.SEED, author="library")
    store.designs.add("b", "B", Kind.REFERENCE, Mode.SEED, author="library")
    store.designs.add("c", "C", Kind.AGENT, Mode.CROSSOVER, ["b", "a"], "designer", "s1", 0, "joins")
    store.designs.add("d", "D", Kind.AGENT, Mode.MUTATION, ["c"], "designer", "s1", 1)


def verify(store: Store, design: str, score: float, seed: int = 0, corpus: str = "h", scale: str = "nano") -> None:
    made = store.implementations.add(design, "coder", f"code of {design}")
    row = store.verifications.start(design, made.id, scale, seed, corpus, corpus)
    store.verifications.finish(row.id, metrics(score), {"seed": seed})


def test_the_tree_has_parents_in_order_and_generations(store: Store):
    grow(store)
    tree = store.tree()
    assert tree.nodes["c"]["design"].parents == ("b", "a")
    assert [tree.nodes[n]["design"].generation for n in "abcd"] == [0, 0, 1, 2]
    assert set(tree.edges) == {("b", "c"), ("a", "c"), ("c", "d")}
    assert store.designs.get("d").generation == 2
    assert [d.id for d in store.designs.of_session("s1")] == ["c", "d"]


def test_adding_a_design_twice_keeps_the_first(store: Store):
    grow(store)
    assert store.designs.add("a", "Other", Kind.MANUAL, Mode.SEED).title == "A"
    assert len(store.designs.all()) == 4


def test_a_parent_must_exist(store: Store):
    with pytest.raises(NotFound, match="nobody"):
        store.designs.add("x", "X", Kind.AGENT, Mode.MUTATION, ["nobody"])
    assert store.designs.all() == []


def test_an_unknown_design_names_its_neighbours(store: Store):
    store.designs.add("mamba2", "M", Kind.REFERENCE, Mode.SEED)
    with pytest.raises(NotFound, match="did you mean mamba2"):
        store.designs.get("mamba")


def test_status_follows_from_what_happened(store: Store):
    grow(store)

    def status() -> Status:
        assert store.designs.get("c").status == store.tree().nodes["c"]["design"].status
        return store.designs.get("c").status

    assert status() is Status.PROPOSED
    store.decisions.add(Verb.APPROVE, "me", "c")
    assert status() is Status.APPROVED
    store.decisions.add(Verb.REFUSE, "me", "c", reason="no")
    assert status() is Status.REFUSED
    store.decisions.add(Verb.RESET, "me", "c")
    assert status() is Status.PROPOSED
    made = store.implementations.add("c", "coder", "code", UNITS)
    assert status() is Status.PROPOSED
    store.checks.add(made.id, CheckReport(False, "nano", (), None))
    assert status() is Status.FAILED
    store.checks.add(made.id, REPORT)
    assert status() is Status.IMPLEMENTED
    store.decisions.add(Verb.REFUSE, "me", "c", reason="no")
    assert status() is Status.REFUSED
    verify(store, "c", 2.0)
    assert status() is Status.VERIFIED


def test_revisions_accumulate_and_the_newest_names_the_design(store: Store):
    grow(store)
    store.proposals.add("c", "designer", False, "First", "body", UNITS)
    store.proposals.add("c", "me", True, "Second", "body 2", None)
    assert [(p.revision, p.title, p.units) for p in store.proposals.revisions("c")] == [(1, "First", UNITS), (2, "Second", None)]
    assert store.designs.get("c").title == "Second"


def test_a_rating_is_of_the_newest_revision_that_has_one(store: Store):
    grow(store)
    first = store.proposals.add("c", "designer", False, "First", "body", UNITS)
    store.reviews.add(first.id, "one", 3.0, {"novelty": 1.0}, "text")
    store.reviews.add(first.id, "two", 4.0, {}, "text")
    second = store.proposals.add("c", "me", True, "Second", "body", UNITS)
    assert store.designs.get("c").rating == 3.5
    store.reviews.add(second.id, "one", 1.0, {}, "text")
    assert store.designs.get("c").rating == 1.0
    assert len(store.reviews.of("c")) == 3


def test_code_is_kept_with_its_check(store: Store):
    grow(store)
    made = store.implementations.add("c", "coder", "print(1)", UNITS)
    assert store.implementations.add("c", "coder", "print(1)", UNITS).id == made.id
    store.checks.add(made.id, REPORT)
    again = store.implementations.newest("c")
    assert again.check == REPORT
    assert again.units == UNITS
    assert store.implementations.add("c", "me", "print(2)", UNITS).revision == 2
    assert store.implementations.newest("c").check is None


def test_scores_are_means_over_seeds_on_one_corpus(store: Store):
    grow(store)
    verify(store, "a", 2.0, 0)
    verify(store, "a", 2.2, 1)
    verify(store, "b", 1.5, 0)
    verify(store, "a", 9.0, 0, corpus="other")
    a = store.designs.get("a")
    assert a.scores == {"nano": pytest.approx(2.1)}
    assert a.n_seeds == {"nano": 2}
    assert store.tree("other").nodes["a"]["design"].scores == {"nano": 9.0}
    assert store.tree("other").nodes["b"]["design"].scores == {}


def test_a_measurement_is_made_once_and_a_failed_one_again(store: Store):
    grow(store)
    made = store.implementations.add("a", "coder", "code")
    row = store.verifications.start("a", made.id, "nano", 0, "c", "h")
    assert store.verifications.start("a", made.id, "nano", 0, "c", "h").id == row.id
    assert store.verifications.start("a", made.id, "nano", 0, "c", "h", label="again").id != row.id
    store.verifications.fail(row.id, "diverged", {})
    second = store.verifications.start("a", made.id, "nano", 0, "c", "h")
    assert second.id != row.id
    assert store.verifications.finish(second.id, metrics(2.0), {"k": 1}).metrics == metrics(2.0)
    assert store.verifications.start("a", made.id, "nano", 0, "c", "h").id == second.id
    with pytest.raises(Conflict, match="finished already"):
        store.verifications.finish(second.id, metrics(1.0), {})


def test_a_curve_has_each_step_once(store: Store):
    grow(store)
    row = store.verifications.start("a", store.implementations.add("a", "c", "code").id, "nano", 0, "c", "h")
    points = [CurvePoint(i, i * 10, 5.0 - i, 2.0, 1e-3, 1.0, 100.0) for i in range(5)]
    store.curves.add(row.id, points[:3])
    store.curves.add(row.id, points[1:])
    assert store.curves.of(row.id) == points
    assert store.curves.of(row.id, after_step=2) == points[3:]


def test_events_stream_in_order(store: Store):
    store.events.append_many("s", [("a", "me", {"n": i}) for i in range(5)])
    store.events.append("t", "b", "me", {})
    events = store.events.since("s")
    assert [e.data["n"] for e in events] == list(range(5))
    assert [e.data["n"] for e in store.events.since("s", events[2].id)] == [3, 4]
    assert store.events.last("s").data == {"n": 4}
    assert store.events.last("nothing") is None


def test_the_version_changes_with_the_tree(store: Store):
    seen = {store.version()}
    for change in (lambda: grow(store), lambda: store.decisions.add(Verb.APPROVE, "me", "c"), lambda: verify(store, "a", 2.0)):
        change()
        assert store.version() not in seen
        seen.add(store.version())
    assert store.version() in seen


# ------------------------------------------------------------------------------------------------------- the ledger


def test_a_subject_is_charged_once(store: Store):
    store.ledger.grant("nano", 2, "me")
    for _ in range(3):
        store.ledger.reserve("nano", "x")
    assert store.ledger.account("nano").reserved == 1
    store.ledger.spend("nano", "x")
    store.ledger.spend("nano", "x")
    store.ledger.reserve("nano", "x")
    assert (store.ledger.account("nano").spent, store.ledger.account("nano").left) == (1, 1)


def test_a_released_reservation_can_be_taken_again(store: Store):
    store.ledger.grant("nano", 1, "me")
    for _ in range(2):
        store.ledger.reserve("nano", "x")
        store.ledger.release("nano", "x")
        store.ledger.release("nano", "x")
        assert store.ledger.account("nano").left == 1


def test_a_budget_never_goes_below_zero_or_below_what_is_used(store: Store):
    store.ledger.grant("nano", 1, "me")
    store.ledger.reserve("nano", "x")
    with pytest.raises(BudgetExceeded, match="python -m core budget nano 2"):
        store.ledger.reserve("nano", "y")
    with pytest.raises(BudgetExceeded):
        store.ledger.set("nano", 0, "me")
    store.ledger.set("nano", 5, "me")
    assert store.ledger.account("nano").left == 4


def test_many_at_once_never_overspend(store: Store):
    store.ledger.grant("nano", 20, "me")
    won: list[str] = []

    def grab(worker: int) -> None:
        for i in range(10):
            try:
                store.ledger.reserve("nano", f"{worker}-{i}")
            except BudgetExceeded:
                continue
            won.append(f"{worker}-{i}")
            store.ledger.spend("nano", f"{worker}-{i}")

    threads = [threading.Thread(target=grab, args=(n,)) for n in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    account = store.ledger.account("nano")
    assert len(won) == 20
    assert (account.spent, account.reserved, account.left) == (20, 0, 0)


# ------------------------------------------------------------------------------------------------------- opening


def test_a_store_that_was_never_made_says_how_to_make_it(database: Config):
    with pytest.raises(StoreError, match="python -m core init"):
        Store.open(database)


def test_a_database_from_a_later_version_is_left_alone(database: Config):
    store = Store.open(database, migrate=True)
    with store.database.write() as c:
        c.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    for migrate in (False, True):
        with pytest.raises(NewerDatabase, match="later version"):
            Store.open(database, migrate=migrate)


def test_head_is_alembics_head_and_matches_the_tables(store: Store):
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config as AlembicConfig
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    from core.store.tables import Base

    config = AlembicConfig()
    config.set_main_option("script_location", str(migrations.HERE))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD
    with store.database.read() as c:
        assert compare_metadata(MigrationContext.configure(c, opts={"include_object": migrations.ours}), Base.metadata) == []


def test_opening_an_open_database_again_is_quick_and_harmless(database: Config, store: Store):
    grow(store)
    again = Store.open(database, migrate=True)
    assert len(again.designs.all()) == 4
    again.close()


def test_a_file_that_is_no_database_is_named(config: Config):
    config.make_dirs()
    (config.data_dir / "model_discovery.db").write_text("this is no database, but it is long enough to look at " * 30)
    with pytest.raises(StoreError, match=r"not a readable database.*move the file aside"):
        Store.open(config, migrate=True)


def test_a_data_dir_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="DATA_DIR"):
        Store.open(Config.from_env({"DATA_DIR": str(tmp_path / "file" / "data")}), migrate=True)


def test_an_unreachable_server_is_named_without_its_password(config: Config):
    from dataclasses import replace

    with pytest.raises(StoreError, match="does not answer") as caught:
        Store.open(replace(config, database_url="postgresql+psycopg://me:topsecret@127.0.0.1:9/none"))
    assert "topsecret" not in str(caught.value)
