"""Settings and Data: what the program stands on, shown as it is and in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core import surroundings
from core.config import Config
from core.desk import Desk, Finding
from core.errors import ConfigError
from core.types import JobKind
from core.users import Role, Users

HOSTILE = "<script>alert(1)</script> [x](javascript:1) ![p](http://x/y.png) `tick` $\\alpha$"


def texts(page) -> str:
    """Everything that a visitor could read, tables too."""
    parts = [str(e.value) for kind in (page.markdown, page.caption, page.code, page.info, page.warning, page.error, page.subheader) for e in kind]
    return "\n".join([*parts, *(frame.value.to_csv() for frame in page.dataframe)])


# --------------------------------------------------------------------------------------------------------- settings


def test_settings_tell_which_keys_there_are_and_never_what_they_are(open_page, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MY_OPENAI_KEY", "sk-verysecret")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    shown = texts(open_page("settings"))
    assert "sk-verysecret" not in shown
    assert "openai,True,MY_OPENAI_KEY,language models" in shown
    assert "anthropic,False,ANTHROPIC_API_KEY" in shown
    assert "schema 00" in shown
    assert "free" in shown
    assert "Sign-in is off" in shown


def test_settings_say_how_to_start_a_worker_when_there_is_none(open_page):
    assert "python -m core worker" in texts(open_page("settings"))


def test_a_check_up_is_asked_for_by_a_button_and_what_is_amiss_stands_first(open_page, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(surroundings.Surroundings, "check_up", lambda self: [Finding("python", "ok", "3.11"), Finding("sandbox bubblewrap", "warn", HOSTILE, "install it")])
    page = open_page("settings")
    assert "bubblewrap" not in texts(page)
    page.button(key="check-up").click().run()
    lines = [m.value for m in page.markdown if "python" in m.value or "bubblewrap" in m.value]
    assert "bubblewrap" in lines[0]
    assert "install it" in lines[0]
    assert "<script>" not in lines[0].replace("\\<", "")


def test_a_check_up_that_takes_too_long_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(surroundings, "CHECK_UP_S", 0.01)
    with pytest.raises(ConfigError, match="did not end within"):
        desk.check_up()


def test_an_admin_adds_users_on_the_page_and_the_first_is_an_admin(open_page, desk: Desk):
    page = open_page("settings")
    page.text_input(key="user-name").input("ada")
    page.text_input(key="user-password").input("correct horse")
    add = next(b for b in page.button if b.label == "Add")
    add.click().run()
    assert "no admin" in page.error[0].value
    page.selectbox(key="user-role").select(Role.ADMIN)
    next(b for b in page.button if b.label == "Add").click().run()
    assert not page.error
    assert Users(desk.config).get("ada").role is Role.ADMIN
    assert Users(desk.config).get("ada").by == "you"
    page.selectbox(key="role-ada-admin").select(Role.VIEWER).run()
    assert "no admin would be left" in page.error[0].value


# --------------------------------------------------------------------------------------------------------- data


def test_corpora_are_shown_with_licence_and_state_also_broken_and_hostile_ones(open_page, desk: Desk):
    own = desk.config.data_dir / "corpora.d"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(json.dumps({"title": HOSTILE, "licence": HOSTILE, "path": "texts"}))
    (own / "texts").write_text("words")
    (own / "broken.yaml").write_text("title: [")
    page = open_page("data")
    shown = texts(page)
    assert "Python's own documentation" in shown
    assert "CDLA" in shown
    assert "broken" in shown
    assert "broken.yaml" in "".join(e.value for e in page.error)
    for hostile in (m.value for m in [*page.markdown, *page.caption] if "alert" in m.value):
        assert "\\<script" in hostile
    assert "tinystories" in texts(open_page("data", corpus="tinystories")).lower()
    assert "There is no corpus" in texts(open_page("data", corpus="<b>x"))


def test_a_corpus_is_made_ready_by_a_button_and_its_progress_is_shown(open_page, desk: Desk):
    page = open_page("data", corpus="python_docs")
    page.selectbox(key="one-scale").select("micro")
    page.button(key="one-go").click().run()
    (job,) = desk.queue.all()
    assert (job.kind, job.subject) == (JobKind.DATA, "data:python_docs@micro")
    assert any(b.label == "Stop" for b in page.button)
    next(b for b in page.button if b.label == "Stop").click().run()
    assert not desk.queue.all(states=("queued", "running"))


def test_a_path_that_is_not_there_is_told_in_words(open_page, desk: Desk, tmp_path: Path):
    page = open_page("data")
    page.text_input(key="data-path").input(str(tmp_path / "nowhere.txt")).run()
    page.button(key="data-path-go").click().run()
    assert "nowhere.txt" in page.error[0].value
    assert not desk.queue.all()
    (tmp_path / "texts.txt").write_text("some words " * 100)
    page.text_input(key="data-path").input(str(tmp_path / "texts.txt")).run()
    page.button(key="data-path-go").click().run()
    assert desk.queue.all()[0].payload["corpus"] == str(tmp_path / "texts.txt")


def test_a_corpus_that_could_not_be_made_ready_says_why_and_is_tried_again(open_page, desk: Desk, work, tmp_path: Path):
    (tmp_path / "gone.txt").write_text("some words " * 100)
    job = desk.prepare_corpus(str(tmp_path / "gone.txt"))
    (tmp_path / "gone.txt").unlink()
    work()
    page = open_page("data")
    assert "gone.txt" in page.error[0].value
    assert "could not be made ready" in page.error[0].value
    page.button(key=f"again-data-{job.id}").click().run()
    assert not page.error
    assert [j.state for j in desk.queue.all() if j.subject == job.subject] == ["queued", "failed"]


def test_what_was_made_ready_is_told_with_size_and_hash(open_page, desk: Desk):
    folder = desk.config.data_dir / "corpora" / "python_docs-x-v2048"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"name": "python_docs", "hash": "abc123", "vocab_size": 2048, "tokenizer": "", "train_tokens": 500_000, "documents": 548, "notes": ["one text was empty"],
                                                  "sources": {}, "tokenizer_hash": "t"}))
    (folder / "train.bin").write_bytes(b"0" * 2**21)
    (kept,) = desk.kept_corpora()
    assert kept.scales == ("nano",)
    assert kept.size > 2**21
    shown = texts(open_page("data", corpus="python_docs"))
    assert "abc123" in shown
    assert "2.0 MiB" in shown
    assert "one text was empty" in shown


def test_tasks_say_whether_their_files_are_here_and_where_they_belong(open_page, desk: Desk):
    shown = texts(open_page("data", view="tasks"))
    assert str(desk.config.data_dir / "blimp_local") in shown
    assert "400 items" in shown
    folder = desk.config.data_dir / "blimp"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text("{}\n\n{}\n")
    found = {t.name: t for t in desk.own_tasks()}
    assert (found["blimp_local"].ready, found["blimp_local"].items) == (True, 2)
    assert not found["blimp_filtered"].ready


def test_a_task_that_cannot_be_read_is_told_and_hides_no_other(tmp_path: Path):
    for name, text in (("good", "task: good\ndata_file: good.jsonl"), ("bad", "["), ("list", "- 1")):
        (tmp_path / "tasks" / name).mkdir(parents=True)
        (tmp_path / "tasks" / name / f"{name}.yaml").write_text(text)
    (tmp_path / "tasks" / "good" / "good.jsonl").write_text("{}\n")

    class Standing(surroundings.Surroundings):
        config = Config.from_env({"DATA_DIR": str(tmp_path / "data"), "LIBRARY_DIR": str(tmp_path)})

    found = {t.name: t for t in Standing().own_tasks()}
    assert found["good"].ready
    assert found["bad"].problem
    assert found["list"].problem


def test_the_ladder_tells_sizes_and_the_minutes_that_were_measured_here(open_page, desk: Desk, work):
    before = {r.scale.name: r for r in desk.ladder_facts()}
    assert before["nano"].minutes_here is None
    desk.verify(["gpt2"], "nano", seeds=[0, 1])
    work()
    nano = desk.ladder_facts()[0]
    assert nano.measured == 2
    assert nano.minutes_here is not None
    page = open_page("data", view="scales")
    assert "793216" in texts(page)
    assert str(desk.config.scales_file) in texts(page)
    assert not page.error
