"""Who may come in, by which door, and what their role lets them do."""

from __future__ import annotations

import ast
import inspect
import io
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from app import shell, sign_in
from core import cli, door, guarded
from core.config import Config
from core.desk import Desk
from core.door import FREE_TRIES, LASTS_S, LONGEST_WAIT_S, Door, wait_s
from core.errors import ConfigError, Conflict, ModelDiscoveryError, NotAllowed, NotFound, UsageError
from core.passwords import Hashed
from core.serve import serve
from core.users import Role, User, Users

ROOT = Path(__file__).resolve().parent.parent.parent
CHEAP = {"n": 2**4, "r": 8, "p": 1}
SAID = "correct horse battery"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take no time."""
    monkeypatch.setattr(Hashed.of.__func__, "__defaults__", (CHEAP,))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def entrance(config: Config, clock: Clock) -> Door:
    config.make_dirs()
    users = Users(config)
    users.add("ada", Role.ADMIN, SAID)
    users.add("rhea", Role.REVIEWER, SAID + " rhea")
    users.add("vera", Role.VIEWER, SAID + " vera")
    return Door(config, clock)


# --------------------------------------------------------------------------------------------------------- users


def test_the_file_of_users_is_private_holds_no_password_and_is_read_again_when_it_changed(entrance: Door, config: Config):
    text = entrance.users.file.read_text()
    assert stat.S_IMODE(entrance.users.file.stat().st_mode) == 0o600
    assert SAID not in text
    assert {entry["password"]["salt"] for entry in yaml.safe_load(text).values()}.__len__() == 3
    Users(config).set_role("vera", "reviewer")
    assert entrance.users.get("VERA ").role is Role.REVIEWER


@pytest.mark.parametrize(("name", "said"), [("", SAID), ("a b", SAID), ("../x", SAID), ("<script>", SAID), ("you", SAID), ("library", SAID), ("x" * 65, SAID), ("bob", "short"), ("bob", "x" * 2000)])
def test_a_bad_name_or_password_is_refused_in_words(entrance: Door, name: str, said: str):
    with pytest.raises(UsageError):
        entrance.users.add(name, Role.VIEWER, said)
    assert len(entrance.users.all()) == 3


def test_there_is_always_an_admin_and_nobody_twice(entrance: Door, config: Config, tmp_path: Path):
    with pytest.raises(Conflict, match="no admin"):
        entrance.users.remove("ada")
    with pytest.raises(Conflict, match="no admin"):
        entrance.users.set_role("ada", Role.VIEWER)
    with pytest.raises(Conflict, match="there already"):
        entrance.users.add("Ada", Role.ADMIN, SAID)
    with pytest.raises(NotFound):
        entrance.users.remove("nobody")
    with pytest.raises(UsageError, match="no admin"):
        Users(Config.from_env({"DATA_DIR": str(tmp_path / "new")})).add("first", Role.VIEWER, SAID)


def test_many_changes_at_once_are_all_kept(entrance: Door, config: Config):
    def change(n: int) -> None:
        Users(config).add(f"user{n}", Role.VIEWER, SAID)
        Users(config).set_role(f"user{n}", Role.REVIEWER)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(24)))
    assert [u.role for n, u in entrance.users.all().items() if n.startswith("user")] == [Role.REVIEWER] * 24
    assert not [p for p in config.data_dir.iterdir() if p.name.startswith(".users")]


@pytest.mark.parametrize("text", ["- a list", "ada: {role: king}", "ada: {}", "ada: {role: admin, password: {n: 1}}", "{", "\0"])
def test_a_broken_file_of_users_lets_nobody_in(entrance: Door, text: str):
    token = entrance.token(entrance.users.get("ada"))
    entrance.users.file.write_text(text)
    with pytest.raises(ConfigError, match=r"users\.yaml"):
        entrance.enter("ada", SAID)
    with pytest.raises(ConfigError):
        entrance.who(token)


def test_people_of_a_provider_are_viewers_unless_an_entry_says_more_and_only_of_the_domains_that_are_named(entrance: Door):
    users = entrance.users
    assert users.coming_by_provider("Eve@else.org") == User("eve@else.org", Role.VIEWER)
    users.add("eve@else.org", "reviewer")
    assert users.coming_by_provider("eve@else.org").role is Role.REVIEWER
    users.add("@lab.org", Role.VIEWER)
    assert users.coming_by_provider("new@lab.org").role is Role.VIEWER
    assert users.coming_by_provider("mallory@evil.org") is None
    assert users.coming_by_provider("mallory@notlab.org") is None
    assert users.coming_by_provider("@lab.org") is None
    assert users.coming_by_provider("") is None
    with pytest.raises(NotAllowed):
        entrance.enter("eve@else.org", "")          # no password, so none is right


# --------------------------------------------------------------------------------------------------------- the door


def test_a_token_is_good_until_it_ends_or_the_password_changes_or_the_user_goes(entrance: Door, clock: Clock, config: Config):
    token = entrance.enter(" Ada", SAID)
    assert entrance.who(token).name == "ada"
    assert Door(config, clock).who(token).name == "ada"                 # after a restart too
    clock.now += LASTS_S + 1
    assert entrance.who(token) is None
    fresh = entrance.enter("vera", SAID + " vera")
    entrance.users.set_password("vera", "another password")
    assert entrance.who(fresh) is None
    out = entrance.enter("ada", SAID)
    entrance.end(out)
    entrance.end("no token")
    assert entrance.who(out) is None                                     # in the other windows too
    assert entrance.who(out + "!") is None                               # written otherwise, it is the same
    assert entrance.who(entrance.enter("ada", SAID))
    other = entrance.enter("rhea", SAID + " rhea")
    entrance.users.remove("rhea")
    assert entrance.who(other) is None


def test_a_token_that_was_tampered_with_is_nobodys(entrance: Door):
    token = entrance.token(entrance.users.get("vera"))
    name, expiry, chance, mac = token.split(".")
    admin = entrance.token(entrance.users.get("ada")).split(".")[0]
    for bad in ("", "x", "..", f"{admin}.{expiry}.{chance}.{mac}", f"{name}.{int(expiry) + 1}.{chance}.{mac}", f"{name}.{expiry}.{chance}.{mac[:-2]}",
                f"{name}.{expiry}.x.{mac}", f"{name}.{expiry}.\ud800.{mac}", f"{name}.soon.{chance}.{mac}", f"{name}.{expiry}.{chance}.é", "\ud800.1.x.y", token + ".x"):
        assert entrance.who(bad) is None, bad


def test_a_wrong_name_and_a_wrong_password_say_the_same(entrance: Door):
    said = set()
    for name, password in (("ada", "wrong wrong"), ("nobody", "wrong wrong"), ("nobody", SAID)):
        with pytest.raises(NotAllowed) as error:
            entrance.enter(name, password)
        said.add(str(error.value))
    assert len(said) == 1


@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_after_five_wrong_passwords_there_is_a_growing_wait_for_that_name_alone(entrance: Door, clock: Clock, name: str):
    for _ in range(FREE_TRIES):
        with pytest.raises(NotAllowed, match="not known"):
            entrance.enter(name, "wrong wrong")
    with pytest.raises(NotAllowed, match="wait 5 s"):
        entrance.enter(name, SAID)                                       # even with the right one
    assert entrance.enter("vera", SAID + " vera")
    clock.now += 5.1
    with pytest.raises(NotAllowed, match="not known"):
        entrance.enter(name, "wrong wrong")
    with pytest.raises(NotAllowed, match="wait 10 s"):
        entrance.enter(name, "wrong wrong")
    assert wait_s(1000) == LONGEST_WAIT_S
    clock.now += 10.1
    if name == "ada":
        assert entrance.enter(name, SAID)
        with pytest.raises(NotAllowed, match="not known"):
            entrance.enter(name, "wrong wrong")                          # it begins anew


def test_names_without_end_take_no_memory_without_end(entrance: Door, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(door, "MOST_NAMES", 20)
    for n in range(50):
        entrance._tries.begin(f"n{n}")
    assert len(entrance._tries._seen) == 20


def test_one_password_may_be_written_in_two_ways():
    assert Hashed.of("cafe\u0301 cafe\u0301").is_of("caf\u00e9 caf\u00e9")


# --------------------------------------------------------------------------------------------------------- roles


def verbs() -> list[str]:
    return [name for name in dir(Desk) if not name.startswith("_")]


def test_every_verb_of_the_desk_is_in_exactly_one_class():
    classes = list(guarded.OF_ROLE.values())
    lacking = [v for v in verbs() if sum(v in c for c in classes) != 1]
    assert not lacking, f"put {lacking} into READ, REVIEW or ADMIN of core/guarded.py"
    assert not [v for c in classes for v in c if not hasattr(Desk, v)]
    assert guarded.needed("a verb of tomorrow") is Role.ADMIN


def test_what_writes_a_decision_a_job_or_a_budget_is_no_viewers():
    """Read off the code: no verb of READ calls what changes the store or the queue."""
    writing = (".decisions.add(", ".queue.put(", ".queue.cancel(", ".queue.retry(", "ledger.set(", "ledger.grant(", "ledger.reserve(", ".gates.switch(", "sessions.add(", "proposals.add(",
               "implementations.add(", "self._shape(", "self._judge(", "self._run(", "self._pause(", "self._go_on(")
    for verb in guarded.READ:
        found = inspect.getattr_static(Desk, verb)
        if inspect.isfunction(found):
            source = inspect.getsource(found)
            assert not [w for w in writing if w in source], verb


def test_screens_change_nothing_past_the_desk():
    changing = {"add", "append", "append_many", "set", "grant", "reserve", "release", "switch", "put", "cancel", "retry", "cut_off"}
    for path in [*(ROOT / "app").rglob("*.py"), *(ROOT / "pages").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in changing:
                owner = ast.unparse(node.func.value)
                past = ".store" in owner or owner.endswith("queue")
                assert not past, f"{path.name}: {ast.unparse(node)[:80]}"


def test_a_viewer_looks_and_is_refused_in_words_a_reviewer_decides_by_name_an_admin_sets_budgets(desk: Desk):
    viewer = guarded.guarded(desk, "vera", lambda: Role.VIEWER)
    reviewer = guarded.guarded(desk, "rhea", lambda: Role.REVIEWER)
    admin = guarded.guarded(desk, "ada", lambda: Role.ADMIN)
    assert viewer.references()
    assert viewer.store.designs.get("gpt2")
    assert viewer.outlines is desk.outlines
    with pytest.raises(NotAllowed, match=r"viewers may look.*ask an admin for the role reviewer"):
        viewer.comment("gpt2", "mine")
    assert not desk.store.decisions.of(design_id="gpt2")
    assert reviewer.comment("gpt2", "worth a look").author == "rhea"
    with pytest.raises(NotAllowed, match="for admins"):
        reviewer.set_budget("nano", 99)
    with pytest.raises(NotAllowed, match="for admins"):
        reviewer.users()
    admin.set_budget("nano", 99)
    assert desk.store.ledger.account("nano").granted == 99
    assert desk.author == "tester"               # the desk itself is as it was
    with pytest.raises(AttributeError):
        viewer._judge  # noqa: B018


def test_a_file_of_the_server_is_opened_as_a_corpus_for_admins_only(desk: Desk, tmp_path: Path):
    secret = tmp_path / "secret.txt"
    secret.write_text("words " * 1000)
    reviewer = guarded.guarded(desk, "rhea", lambda: Role.REVIEWER)
    for call in (lambda: reviewer.prepare_corpus(str(secret)), lambda: reviewer.verify(["gpt2"], "nano", corpus=str(secret)), lambda: reviewer.time("gpt2", "nano", str(secret))):
        with pytest.raises(NotAllowed, match="for admins"):
            call()
    assert reviewer.prepare_corpus("tinystories:2M").payload["corpus"]
    assert reviewer.prepare_corpus(None)
    assert guarded.guarded(desk, "ada", lambda: Role.ADMIN).prepare_corpus(str(secret))
    with pytest.raises(TypeError):
        reviewer.prepare_corpus()


def test_another_role_is_heard_at_the_next_verb(desk: Desk):
    now: list[Role | None] = [Role.REVIEWER]
    mine = guarded.guarded(desk, "rhea", lambda: now[0])
    assert mine.tag("gpt2", "first")
    now[0] = Role.VIEWER
    with pytest.raises(NotAllowed):
        mine.tag("gpt2", "second")
    now[0] = None
    with pytest.raises(NotAllowed, match="not signed in any more"):
        mine.tag("gpt2", "third")


# --------------------------------------------------------------------------------------------------------- around it


def test_it_is_off_on_this_machine_alone_and_on_for_others(monkeypatch: pytest.MonkeyPatch):
    import streamlit as st

    monkeypatch.delenv("SIGN_IN", raising=False)
    for address, on in (("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("::", True), ("192.168.1.4", True), ("", True), (None, True), ("box.lab.org", True)):
        monkeypatch.setattr(st, "get_option", lambda _, address=address: address)
        assert sign_in.needed() is on, address
        monkeypatch.setenv("SIGN_IN", "on")
        assert sign_in.needed()
        monkeypatch.setenv("SIGN_IN", "off")
        assert not sign_in.needed()
        monkeypatch.delenv("SIGN_IN")
    monkeypatch.setattr(st, "get_option", lambda _: "127.0.0.1")
    for header in ("X-Forwarded-For", "x-real-ip", "Forwarded"):
        monkeypatch.setattr(sign_in, "_headers", lambda header=header: {header.lower()})
        assert sign_in.needed(), "a proxy stands in front"
        monkeypatch.setenv("SIGN_IN", "off")
        assert not sign_in.needed()
        monkeypatch.delenv("SIGN_IN")


def test_an_open_address_is_not_served_while_nobody_could_sign_in(config: Config):
    with pytest.raises(ConfigError, match=r"nobody could sign in.*users add"):
        serve(config, "0.0.0.0", 1, check=True)
    with pytest.raises(ConfigError, match="nobody could sign in"):
        serve(Config.from_env({"DATA_DIR": str(config.data_dir), "SIGN_IN": "on"}), "127.0.0.1", 1, check=True)
    with pytest.raises(ConfigError, match="neither on nor off"):
        Config.from_env({"SIGN_IN": "perhaps"})


def test_the_command_line_adds_lists_and_removes_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    def run(*args: str, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = cli.main(["users", *args])
        found = capsys.readouterr()
        return code, found.out + found.err

    assert run("list") == (0, "nobody yet: python -m core users add NAME --role admin\n")
    assert run("add", "Ada", "--role", "admin", "--stdin", typed=SAID + "\n") == (0, "ada, admin: may sign in\n")
    assert run("add", "bob", "--stdin", typed="short\n")[0] == 2
    assert "no terminal" in run("add", "bob")[1]
    assert run("add", "bob@lab.org", "reviewer", "--provider")[0] == 0
    code, out = run("list", "--json")
    assert code == 0
    assert "hash" not in out
    assert SAID not in out
    assert [u["role"] for u in yaml.safe_load(out)] == ["admin", "reviewer"]
    assert run("role", "bob@lab.org", "viewer")[0] == 0
    assert run("role", "bob@lab.org", "king")[0] == 2
    assert run("role", "bob@lab.org")[0] == 2
    assert run("remove", "ada") == (1, "error: no admin would be left — make somebody else an admin first: python -m core users role NAME admin\n")
    assert run("remove", "bob@lab.org")[0] == 0
    assert run("remove", "bob@lab.org")[0] == 1


def test_the_page_shows_the_door_then_the_page_that_was_asked_for_and_what_is_decided_carries_the_name(open_page, desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SIGN_IN", "on")
    page = open_page("settings")
    assert "Nobody can sign in yet" in page.info[0].value
    users = Users(desk.config)
    users.add("ada", Role.ADMIN, SAID)
    users.add("vera", Role.VIEWER, SAID + " vera")
    page = open_page("settings")
    assert [t.label for t in page.text_input] == ["Name", "Password"]
    page.text_input(key="sign-in-name").input("vera")
    page.text_input(key="sign-in-password").input("wrong wrong")
    page.button[0].click().run()
    assert "this name with this password is not known" in page.error[0].value
    page.text_input(key="sign-in-password").input(SAID + " vera")
    page.button[0].click().run()
    assert any("**vera**, viewer" in m.value for m in page.markdown)
    assert "Users" not in [s.value for s in page.subheader]
    assert page.button(key="check-up").disabled
    assert "viewers may look" in page.button(key="check-up").help
    users.set_role("vera", Role.REVIEWER)
    page.run()
    users.set_role("vera", Role.VIEWER)          # while the page is open
    page.button(key="check-up").click().run()
    assert page.button(key="check-up").disabled
    for key, text in (("password-old", SAID + " vera"), ("password-new", "another password"), ("password-again", "another password")):
        page.text_input(key=key).input(text)
    next(b for b in page.button if b.label == "Change").click().run()
    assert any("**vera**, viewer" in m.value for m in page.markdown)     # still in, by the new one
    assert users.get("vera").password.is_of("another password")
    page.text_input(key="password-old").input("not mine")
    page.text_input(key="password-new").input("yet another")
    page.text_input(key="password-again").input("yet another")
    next(b for b in page.button if b.label == "Change").click().run()
    assert "the present password is another" in page.error[0].value
    page.button(key="sign-out").click().run()
    assert [t.label for t in page.text_input] == ["Name", "Password"]


@pytest.mark.slow
def test_a_viewer_opens_every_page_without_being_refused_anything(open_page, desk: Desk, work, monkeypatch: pytest.MonkeyPatch):
    session = desk.start_session(["gpt2"], n_proposals=2)
    desk.evolve(1, {"nano": 1}, gate="ask")
    work()
    made = desk.store.designs.of_session(session.id)[0].id
    monkeypatch.setenv("SIGN_IN", "on")
    users = Users(desk.config)
    users.add("ada", Role.ADMIN, SAID)
    token = Door(desk.config).token(users.add("vera", Role.VIEWER, SAID))
    monkeypatch.setattr(sign_in, "_token", lambda: token)
    links = {"studio": {"session": session.id}, "design": {"design": made}, "evolve": {"run": desk.run_ids()[0]}, "verify": {"designs": "gpt2"}, "data": {"corpus": "python_docs"}}
    for name in shell.PAGES:
        for query in ({}, *([links[name]] if name in links else [])):
            page = open_page(name, **query)
            assert not [e.value for e in page.error], (name, query)


def test_a_broken_file_of_users_is_told_at_the_door(open_page, desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SIGN_IN", "on")
    Users(desk.config).file.write_text("{")
    page = open_page("tree")
    assert "users" in page.error[0].value
    assert not page.text_input
    monkeypatch.setenv("SIGN_IN", "sometimes")
    page = open_page("tree")
    assert "neither on nor off" in page.error[0].value


def test_errors_at_the_door_are_of_our_own_kind():
    assert issubclass(NotAllowed, ModelDiscoveryError)
