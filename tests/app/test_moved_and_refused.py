"""What a widget shows after a change that was refused, and what is offered to whom."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from screens import said
from streamlit.testing.v1 import AppTest

from app import shell, sign_in
from app.widgets.roles import may, of_role
from core.desk import Desk
from core.door import Door
from core.errors import Conflict
from core.users import Role, Users

SAID = "correct horse battery"


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[tuple]]:
    """Has a verb of the desk refuse; gives what it was asked."""
    def of(verb: str) -> list[tuple]:
        asked: list[tuple] = []

        def refusing(self: Desk, *args: object) -> None:
            asked.append(args)
            raise Conflict("somebody was faster", "look again")

        monkeypatch.setattr(Desk, verb, refusing)
        return asked

    return of


def told_once(test: AppTest, asked: list[tuple]) -> None:
    assert [("somebody was faster" in e.value) for e in test.error] == [True]
    test.run()
    assert not test.error
    assert len(asked) == 1


def test_a_gate_whose_switch_is_refused_shows_the_rule_in_force_and_is_not_sent_again(open_page, desk: Desk, refused):
    run = desk.evolve(1, {"nano": 1}, gate="ask").subject
    asked = refused("set_gate")
    test = open_page("evolve", run=run)

    def gate():
        return next(c for c in test.button_group if c.label == "Before implementing")

    before = gate().value
    gate().set_value("auto").run()
    assert gate().value == before
    told_once(test, asked)
    gate().set_value("auto").run()           # and can be tried again
    assert len(asked) == 2
    assert gate().value == before


@pytest.mark.parametrize(("page", "query"), [("evolve", {}), ("agents", {"tab": "taught"})])
def test_a_standing_rule_that_could_not_be_switched_off_shows_as_on_and_is_not_sent_again(open_page, desk: Desk, refused, page: str, query: dict[str, str]):
    lesson = desk.guide("smaller states").id
    if page == "evolve":
        query = {"run": desk.evolve(1, {"nano": 1}, gate="ask").subject}
    asked = refused("teach")
    test = open_page(page, **query)

    def rule():
        return next(t for t in test.toggle if f"-{lesson}-True" in (t.key or ""))

    rule().set_value(False).run()
    assert rule().value
    told_once(test, asked)


def test_a_role_that_could_not_be_given_shows_the_one_they_have(open_page, desk: Desk, signed_in):
    signed_in(Role.ADMIN)
    test = open_page("settings")

    def role():
        return next(s for s in test.selectbox if (s.key or "").startswith("role-ada-"))

    role().set_value(Role.VIEWER).run()
    assert role().value == Role.ADMIN
    assert "no admin would be left" in test.error[0].value
    test.run()
    assert not test.error


# ----------------------------------------------------------------------------------------------- who may


@pytest.fixture
def signed_in(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[[Role], None]:
    """The visitor is somebody of this role from now on."""
    monkeypatch.setenv("SIGN_IN", "on")
    users = Users(desk.config)
    users.add("ada", Role.ADMIN, SAID)

    def enter(role: Role) -> None:
        user = users.get("ada") if role is Role.ADMIN else users.add(str(role), role, SAID)
        token = Door(desk.config).token(user)
        monkeypatch.setattr(sign_in, "_token", lambda: token)

    return enter


def test_what_is_beyond_a_role_is_greyed_with_the_role_it_takes(monkeypatch: pytest.MonkeyPatch):
    def visits(role: Role | None) -> None:
        monkeypatch.setattr(sign_in, "visitor", lambda: role and sign_in.Visitor("vera", role, "password"))

    visits(Role.VIEWER)
    assert may("approve", "key a") == {"disabled": True, "help": "for reviewers: viewers may look, ask an admin for the role reviewer · key a"}
    assert may("runs", "all of them") == {"disabled": False, "help": "all of them"}
    visits(Role.REVIEWER)
    assert may("approve", "key a") == {"disabled": False, "help": "key a"}
    assert may("approve", disabled=True) == {"disabled": True, "help": None}
    assert "for admins: reviewers decide within what admins set" in str(may("set_budget")["help"])
    assert of_role(Role.ADMIN)["disabled"]
    visits(Role.ADMIN)
    assert not may("set_budget")["disabled"]
    visits(None)
    assert may("approve") == {"disabled": True, "help": "sign in for this"}


def test_a_viewer_reads_a_run_whose_switches_are_greyed(open_page, desk: Desk, work, signed_in):
    desk.guide("smaller states")
    run = desk.evolve(2, {"nano": 1}, gate="ask").subject
    work()
    signed_in(Role.VIEWER)
    test = open_page("evolve", run=run)
    (gated,) = desk.gated(run)
    deciding = [next(b for b in test.button if b.key == key) for key in (f"let-implement-{gated.design}", f"hold-implement-{gated.design}", "run-step", f"set-budget-{run}")]
    assert all(b.disabled and "viewers may look" in b.help for b in deciding)
    assert all(t.disabled for t in test.toggle if (t.key or "").startswith("rule-"))
    assert all(c.disabled for c in test.button_group if c.label.startswith("Before"))
    signed_in(Role.REVIEWER)
    test = open_page("evolve", run=run)
    enabled = {b.key for b in test.button if not b.disabled}
    assert {f"let-implement-{gated.design}", "run-step"} <= enabled
    assert f"set-budget-{run}" not in enabled


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER])
def test_nothing_that_would_be_refused_is_offered(open_page, desk: Desk, work, signed_in, role: Role):
    """Of every kind of button that can be pressed one is pressed, on a page that is opened for it; buttons of the same kind differ by a name or a number in their key."""
    desk.guide("smaller states")
    session = desk.start_session(["gpt2"], n_proposals=2)
    run = desk.evolve(1, {"nano": 1}, gate="ask").subject
    work()
    signed_in(role)
    links = {"studio": {"session": session.id}, "design": {"design": desk.store.designs.of_session(session.id)[0].id}, "evolve": {"run": run}, "verify": {"designs": "gpt2"}, "data": {"corpus": "python_docs"}}
    for name in sorted(shell.PAGES):
        for query in ({}, *([links[name]] if name in links else [])):
            offered = [(b.key, b.label) for b in open_page(name, **query).button if not b.disabled and b.label != "Sign out"]
            kinds = {((key or "").split("-")[0], re.sub(r"[\d.]+", "#", label)): (key, label) for key, label in offered}
            for key, label in kinds.values():
                test = open_page(name, **query)
                found = [b for b in test.button if (b.key, b.label) == (key, label) and not b.disabled]
                if found:
                    found[0].click().run()
                    assert "was not done" not in said(test), (name, query, label)
