"""Papers come in complete and once, in whatever format, though the import is killed; what is broken is told of and skipped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from documents import html, latex, make, pdf, tarball

from core.build import BuildSystem
from core.config import Config
from core.errors import PaperError
from core.papers.importing import add_file, import_all
from core.papers.passages import passages
from core.papers.readers import read_file
from core.store import Store
from core.store.paper_nouns import Facts, Filters

ROOT = Path(__file__).resolve().parents[2]
SLOW_WORKER = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from core.config import Config
from core.store import Store
from core.papers.importing import import_all
def report(fraction, words):
    print(words, flush=True)
    time.sleep(0.03)
import_all(Store.open(Config.from_env({{"DATA_DIR": {data!r}}})), "one", Path({folder!r}), "primary", report)
"""


@pytest.fixture
def store(tmp_path: Path):
    made = Store.open(Config.from_env({"DATA_DIR": str(tmp_path / "data")}), migrate=True)
    yield made
    made.close()


def test_an_import_of_sixty_papers_killed_twice_is_complete_and_has_nothing_twice(store: Store, tmp_path: Path):
    papers, broken = make(tmp_path / "files")
    code = SLOW_WORKER.format(root=str(ROOT), data=str(tmp_path / "data"), folder=str(tmp_path / "files"))
    done = 0
    for stop_after in (8, 15):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(stop_after):
            assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        now = len(store.papers.of_import("one"))
        assert now > done, "what was done before the kill is kept"
        done = now
    tally = import_all(store, "one", tmp_path / "files", "primary", lambda fraction, words: None)
    assert store.papers.count() == papers
    assert len(tally.broken) == broken
    assert len({i.item for i in tally.items}) == len(tally.items) >= 60
    assert all("—" in i.note for i in tally.broken), "each says how to mend it"
    with store.database.read() as c:
        texts = c.exec_driver_sql("SELECT paper_id || section || text FROM paper_passages").scalars().all()
        assert len(texts) == len(set(texts))
        assert c.exec_driver_sql("SELECT count(*) FROM paper_words WHERE paper_words MATCH 'uniqueword5'").scalar_one() >= 3
    again = import_all(store, "two", tmp_path / "files", "primary", lambda fraction, words: None)
    assert (again.counts["added"], store.papers.count()) == (0, papers)
    assert {p.tiers for p in store.papers.all(Filters(tier="further"))} == {("further",)}


def test_the_command_line_imports_searches_shows_and_notes(tmp_path: Path):
    (tmp_path / "a.md").write_text("# Octonion mixers\n\n## Method\n\nA zyzzyva gate opens on $q_t$.\n")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 broken")

    def run(*arguments: str) -> list:
        code = "import sys; from core.cli import main; [(main(a.split('|')), print('=====')) for a in sys.argv[1:]]"
        done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, env={**os.environ, "DATA_DIR": str(tmp_path / "data")}, capture_output=True, text=True, check=True)
        return [json.loads(part) for part in done.stdout.split("=====\n")[:-1]]

    brought, found, shown, right = run(f"papers|import|{tmp_path}|--json", "papers|search|zyzzyva|--json", "papers|show|octonion|--json", "papers|search|delta rule fast weights|--json")
    assert (brought["added"], brought["broken"]) == (1, 1)
    assert [(h["id"], h["passage"]) for h in found] == [("octonion", 1)]
    assert shown["passages"][0]["text"].startswith("A zyzzyva gate opens on $q_t$")
    assert {h["id"] for h in right[:4]} >= {"schlag2021-fast-weights", "yang2024-deltanet"}


def test_formulas_stay_readable_and_accents_become_letters():
    read = read_file("x.tex", latex(1).encode())
    assert read.facts.authors == ("Ada Roe1", "Bob Müller")
    assert "$$S_t = \\alpha S_t + v k^\\top$$" in dict(read.sections)["Method"]
    page = read_file("x.html", html(1).encode())
    assert "$S_t = a_t S_{t-1}$" in " ".join(text for _, text in page.sections)
    assert not any("Login" in text or "alert" in text for _, text in page.sections)
    assert page.facts.authors == ("Jane Doe1",)
    packed = read_file("2101.00001v2.tar.gz", tarball(latex(1)))
    assert packed.facts.arxiv == "2101.00001"
    assert dict(packed.sections)["Drawn in"] == "from another file."


def test_a_long_text_is_cut_into_passages_that_lose_nothing():
    text = "\n\n".join(f"Sentence {n} says little. " * 30 for n in range(9)) + "\n\n" + "x" * 5000
    pieces = [piece for _, piece in passages([("One", text)])]
    assert max(map(len, pieces)) <= 1700
    assert "".join("".join(pieces).split()) == "".join(text.split())


@pytest.mark.parametrize(("first", "second", "same"), [
    (Facts(title="Attention with decays", year=2020), Facts(title="Attention With Decays.", year=2021), True),
    (Facts(title="Attention with decays", year=2015), Facts(title="Attention with decays", year=2021), False),
    (Facts(title="A", arxiv="2101.00001v3"), Facts(title="B", doi="10.48550/arXiv.2101.00001"), True),
    (Facts(title="Attention with decays", arxiv="2101.00001"), Facts(title="Attention with decays", arxiv="2101.00002"), False),
    (Facts(title="Introduction", year=2020), Facts(title="Introduction", year=2020), False),
])
def test_two_accounts_are_one_paper_by_id_or_by_title_and_year(store: Store, first: Facts, second: Facts, same: bool):
    (one, _), (two, _) = store.papers.add(first, "bibtex", "primary"), store.papers.add(second, "arxiv", "online")
    assert (one.id == two.id) is same


def test_what_the_index_says_joins_a_paper_that_was_there_before(store: Store):
    paper, _ = store.papers.add(Facts(title="Delta things", arxiv="2406.06484", abstract="Long."), "arxiv", "online")
    made, new = store.papers.add(Facts(title="Delta Things!", arxiv="2406.06484", idea="Short.", year=2024), "index", "index", "yang2024-delta")
    assert (made.id, new, made.tiers) == (paper.id, False, ("index", "online"))
    assert store.papers.get("yang2024-delta").facts.abstract == "Long."
    assert store.papers.get("yang2024-delta").gist == "Short."


def test_broken_files_say_what_is_wrong(store: Store):
    for name, data, words in (("a.pdf", pdf(["x"], encrypted=True), "password"), ("b.pdf", pdf([""]), "scan"), ("c.docx", b"PK\x03\x04", "archive"), ("d.xyz", b"text", "no kind of file")):
        with pytest.raises(PaperError, match=words):
            add_file(store, name, data, "primary")


def test_an_import_as_a_job_reports_each_broken_file(tmp_path: Path):
    system = BuildSystem(Config.from_env({"DATA_DIR": str(tmp_path / "data"), "THREADS": "1"}))
    desk = system.open()
    job = desk.drop_paper("../../evil name.md", b"# A dropped account of things\n\nWords of it.", "secondary")
    bad = desk.drop_paper("bad.pdf", b"%PDF-1.4 nothing")
    worker = system.worker(desk.store, "w")
    while worker.run_one() is not None:
        pass
    assert desk.queue.get(job.id).result["added"] == 1
    assert Path(job.payload["source"]).is_relative_to(tmp_path / "data" / "papers")
    assert desk.queue.get(bad.id).result["troubles"][0]["item"] == "bad.pdf"
    with pytest.raises(PaperError, match="no file or folder"):
        desk.import_folder("/no/such/folder")
    with pytest.raises(PaperError, match="no arXiv id"):
        desk.import_papers("/etc/passwd")
    desk.store.close()
