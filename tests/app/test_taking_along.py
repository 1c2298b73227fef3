"""What can be taken along of a design or a tree: Markdown, BibTeX, a site of plain pages; and what people's hands were worth."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from screens import HOSTILE, tables
from screens import said as shown

from core.cli import main
from core.conversation import read
from core.desk import Desk
from core.dossier import dossier
from core.errors import UsageError
from core.report.design import as_bibtex, as_markdown, builds_on
from core.report.siblings import effect
from core.report.site import page_name, said, write_site
from core.types import Kind, Metrics, Mode


def proposed(desk: Desk, ident: str, *parents: str, session: str | None = None, title: str = "A design"):
    units = desk.store.proposals.newest("gla").units
    desk.store.designs.add(ident, title, Kind.AGENT, Mode.MUTATION, parents, "designer", session, 0)
    desk.store.proposals.add(ident, "designer", False, title, HOSTILE, units)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]


def test_a_site_is_plain_pages_whose_links_lead_somewhere(desk: Desk, tmp_path: Path):
    session = desk.start_session(["gpt2"], enqueue=False, instructions=HOSTILE)
    proposed(desk, f"{session.id}-1", "gpt2", session=session.id, title=HOSTILE)
    desk.steer(session.id, HOSTILE)
    desk.comment(f"{session.id}-1", HOSTILE)
    count = write_site(desk, tmp_path / "site")
    assert count == len(desk.store.designs.all())
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) == 1 + count + 1
    for page in pages:
        tags = Tags()
        tags.feed(page.read_text())
        assert "script" not in tags.tags
        assert "<script>alert" not in page.read_text()
        assert "img" not in tags.tags
        for link in tags.links:
            assert link.startswith("https://") or (page.parent / link).resolve().is_file(), f"{page.name} → {link}"
    assert "&lt;script&gt;" in (tmp_path / "site" / "sessions" / page_name(session.id)).read_text()
    with pytest.raises(UsageError, match="there already"):
        write_site(desk, tmp_path / "site")


def test_a_site_shows_what_was_written_as_it_was_meant(desk: Desk, tmp_path: Path):
    session = desk.start_session(["gpt2"], enqueue=False)
    own, text = f"{session.id}-1", "#### Why\n\n**Bold** and `code`.\n\n| unit | kind |\n|---|---|\n| gla | mixer |\n\n```python\nx < 1\n```\n"
    desk.store.designs.add(own, "A design", Kind.AGENT, Mode.MUTATION, ["gpt2"], "designer", session.id, 0)
    proposal = desk.store.proposals.add(own, "designer", False, "A design", text, None)
    desk.store.reviews.add(proposal.id, "reviewer", 3.0, {}, text)
    desk.store.events.append_many(f"session:{session.id}", [
        ("message", "designer", {"role": "designer", "message": 1, "design": None, "key": "k"}), ("delta", "designer", {"message": 1, "text": json.dumps({"title": "Gated", "body": text})}),
        ("message", "you", {"role": "person", "message": 2, "design": None}), ("delta", "you", {"message": 2, "text": text})])
    write_site(desk, tmp_path / "site")
    for folder, ident in (("designs", own), ("sessions", session.id)):
        page = (tmp_path / "site" / folder / page_name(ident)).read_text()
        assert page.count("<strong>Bold</strong> and <code>code</code>") == 2
        assert page.count("<td>gla</td>") == 2
        assert page.count("x &lt; 1") == 2
        assert not re.search(r"####|\*\*|```|\|---", page)
    assert "<strong>Gated</strong>" in page                                             # a model's answer is JSON


def test_a_runs_site_holds_what_it_made_and_what_that_descends_from(desk: Desk, tmp_path: Path):
    run = desk.evolve(1, {"nano": 1}).subject
    session = desk.start_session(["gpt2"], enqueue=False, run_id=run)
    proposed(desk, f"{session.id}-1", "gpt2", session=session.id)
    assert write_site(desk, tmp_path / "site", run) == 2
    with pytest.raises(Exception, match="has no sessions"):
        write_site(desk, tmp_path / "other", "run-2")
    assert not (tmp_path / "other").exists()


def test_a_message_begun_again_is_told_once(desk: Desk):
    rows = [("message", "designer", {"role": "designer", "message": 1, "design": None}), ("delta", "designer", {"message": 1, "text": "half"}), ("restart", "designer", {"message": 1, "why": "cut"}),
            ("delta", "designer", {"message": 1, "kind": "reasoning", "text": "hm"}), ("delta", "designer", {"message": 1, "text": "whole"})]
    desk.store.events.append_many("session:x", rows)
    assert [m["text"] for m in said(read(desk.store, "session:x"))] == ["whole"]


def test_markdown_holds_the_texts_and_fences_longer_than_those_within(desk: Desk):
    proposed(desk, "mine", "gpt2")
    desk.store.implementations.add("mine", "coder", "x = '''```'''\n")
    desk.comment("mine", "too close to gla")
    text = as_markdown(dossier(desk.store, "mine"))
    assert HOSTILE in text
    assert "too close to gla" in text
    assert "````python\nx = '''```'''\n````" in text


def test_bibtex_names_ancestors_and_the_sources_of_the_mixers(desk: Desk):
    proposed(desk, "mine", "mamba2")
    found = builds_on(desk, "mine")
    assert {r.slug for r in found} == {"mamba2", "gla"}
    text = as_bibtex(found)
    assert "author = {Dao and Gu}" in text
    assert "author = {Yang and others}" in text
    assert "eprint = {2312.06635}" in text
    assert len(re.findall(r"^@", text, re.MULTILINE)) == 2
    assert as_bibtex([]) == ""


def measured(desk: Desk, ident: str, score: float) -> None:
    made = desk.store.implementations.add(ident, "coder", f"code of {ident}")
    row = desk.store.verifications.start(ident, made.id, "nano", 0, "corpus", "hash", "", desk.scales["nano"].settings)
    desk.store.verifications.finish(row.id, Metrics(score, 0.01, 3.0, 20.0, 3.1, 1000, 500.0, 2.0, 0.5, 100, 50, 4, 128, 64.0, {}), {})


def test_edited_designs_are_held_against_their_untouched_siblings(desk: Desk):
    session = desk.start_session(["gpt2"], enqueue=False)
    for n, score in ((1, 2.30), (2, 2.36), (3, 2.40)):
        proposed(desk, f"{session.id}-{n}", "gpt2", session=session.id, title=f"Design {n}")
        measured(desk, f"{session.id}-{n}", score)
    assert effect(desk.store).at("nano") is None
    desk.edit(f"{session.id}-1", "Design 1", "better")
    mean, se, sessions = effect(desk.store).at("nano")
    assert mean == pytest.approx(2.30 - 2.38)
    assert (se, sessions) == (None, 1)


def test_the_page_shows_any_two_revisions_of_the_code_costs_relatives_and_what_can_be_taken(open_page, desk: Desk):
    session = desk.start_session(["gpt2"], enqueue=False)
    for n in (1, 2):
        proposed(desk, f"{session.id}-{n}", "gpt2", session=session.id, title=HOSTILE)
        measured(desk, f"{session.id}-{n}", 2.3 + n / 10)
    own = f"{session.id}-1"
    desk.store.implementations.add(own, "tester", "x = 2\n")
    test = open_page("design", design=own, section="Code")
    against = next(s for s in test.selectbox if s.key == "code-against")
    assert against.options == ["the whole code", "what differs from revision 1", "what differs from its parent gpt2"]
    against.set_value("revision 1").run()
    assert ":blue[+1] :orange[−1]" in shown(test)
    test = open_page("design", design=own, section="Lineage")
    assert {t["page"].iloc[0] for t in tables(test) if "edited" in t} == {"design?design=gpt2", f"design?design={session.id}-2"}
    assert "Edited by people, against untouched siblings" in "".join(m.value for m in test.markdown)
    test = open_page("design", design=own, section="Take along")
    press = next(b for b in test.button if b.key == "along-hf")
    test = press.click().run()
    assert "no weights of verification" in " ".join(e.value for e in test.error), "said in words: this one was never trained"
    assert {b.proto.label for b in test.get("download_button")} >= {"gab.py", "Markdown", "BibTeX"}


def test_the_command_line_writes_a_site_markdown_and_bibtex(desk: Desk, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("DATA_DIR", str(Path(desk.store.database.path).parent))
    proposed(desk, "mine", "mamba2")
    for arguments, words in ((["site", str(tmp_path / "out")], "open index.html"), (["markdown", "mine"], "## Units"), (["bibtex", "mine"], "@misc{mamba22024")):
        assert main(arguments) == 0
        assert words in capsys.readouterr().out
    assert main(["site", str(tmp_path / "out")]) == 2
    assert "is there already" in capsys.readouterr().err
