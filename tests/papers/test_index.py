"""The shipped index of papers: its form, its links to units and designs, and that a researcher's words find the right entries."""

from __future__ import annotations

import ast
import re
import sqlite3
from datetime import date
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "library/papers").glob("*.yaml"))
UNITS = {p.stem for p in (ROOT / "library/units").glob("[!_]*.py")}
DESIGNS = {p.parent.name: yaml.safe_load(p.read_text()) for p in (ROOT / "library/designs").glob("*/design.yaml")}
TAGS = set(
    """attention linear-attention ssm rnn convolution delta-rule fast-weights gating mlp moe normalisation position memory long-context hybrid
    efficiency scaling optimisation initialisation architecture-search evaluation tokenisation theory test-time-training hardware""".split()  # noqa: SIM905
)
ALLOWED = {"id", "title", "authors", "et_al", "year", "venue", "arxiv", "doi", "idea", "units", "designs", "tags"}
MUST = {"id", "title", "authors", "year", "idea", "tags"}


@pytest.fixture(scope="module")
def entries() -> list[dict]:
    return [e for f in FILES for e in yaml.safe_load(f.read_text(encoding="utf-8"))]


def test_at_least_120_papers_in_files_small_enough_to_read(entries):
    assert len(entries) >= 120
    assert all(len(f.read_text(encoding="utf-8").splitlines()) < 300 for f in FILES)


def test_every_entry_has_the_facts_asked_for_and_no_others(entries):
    for e in entries:
        assert set(e) >= MUST, f"{e.get('id')} lacks {MUST - set(e)}"
        assert set(e) <= ALLOWED, f"{e['id']} has {set(e) - ALLOWED}"
        assert e["title"].strip() == e["title"] != ""
        assert e["authors"], e["id"]
        assert all(isinstance(a, str) and a.strip() == a != "" for a in e["authors"])
        assert len(set(e["authors"])) == len(e["authors"]), e["id"]
        assert e.get("et_al", True) is True, f"{e['id']}: et_al is true or left out"
        assert 1950 <= e["year"] <= date.today().year
        assert re.fullmatch(r"[a-z][a-z-]*\d{4}-[a-z0-9-]+", e["id"]), e["id"]
        assert str(e["year"]) in e["id"], f"{e['id']} is not of {e['year']}"
        assert 1 <= len(e["tags"]) <= 5, e["id"]
        assert set(e["tags"]) <= TAGS, (e["id"], set(e["tags"]) - TAGS)


def test_no_paper_is_there_twice(entries):
    for key in ("id", "arxiv", "doi"):
        values = [e[key] for e in entries if key in e]
        assert len(values) == len(set(values)), [v for v in values if values.count(v) > 1]
    titles = [re.sub(r"\W", "", e["title"]).lower() for e in entries]
    assert len(titles) == len(set(titles))


def test_ids_are_well_formed_and_agree_with_the_year(entries):
    for e in entries:
        if "arxiv" in e:
            match = re.fullmatch(r"(\d\d)(\d\d)\.(\d{4,5})", e["arxiv"]) if isinstance(e["arxiv"], str) else None
            assert match, f"{e['id']}: {e['arxiv']!r} is no arXiv id in quotes"
            year, month = 2000 + int(match[1]), int(match[2])
            assert 1 <= month <= 12
            assert len(match[3]) == (5 if year >= 2015 else 4), f"{e['id']}: arXiv counts to 4 digits until 2014, to 5 since"
            assert abs(year - e["year"]) <= 2, f"{e['id']}: arXiv {e['arxiv']} is not of {e['year']}"
        if "doi" in e:
            assert re.fullmatch(r"10\.\d{4,}/[a-z0-9._/()-]+", e["doi"]), e["id"]


def test_each_idea_is_one_sentence(entries):
    for e in entries:
        idea = e["idea"]
        assert 60 <= len(idea) <= 220, f"{e['id']}: {len(idea)} characters"
        assert re.match(r"[A-Z]|minGRU|gMLP|xPos", idea), e["id"]
        assert idea.endswith("."), e["id"]
        assert not re.search(r"[.!?;] ", idea), f"{e['id']}: more than one sentence"
    assert len({e["idea"] for e in entries}) == len(entries)


def test_units_and_designs_named_are_those_of_the_library(entries):
    for e in entries:
        assert set(e.get("units", [])) <= UNITS, (e["id"], e["units"])
        assert set(e.get("designs", [])) <= set(DESIGNS), (e["id"], e["designs"])


def test_every_reference_design_is_cited_and_by_the_paper_it_names_itself(entries):
    cited = {d for e in entries for d in e.get("designs", [])}
    assert cited == set(DESIGNS)
    for name, design in DESIGNS.items():
        own = [e for e in entries if design["paper"] in (e.get("arxiv"), e["title"])]
        assert own, f"{name} names {design['paper']}, which the index lacks"
        assert name in own[0]["designs"]
        assert own[0]["year"] == design["year"]


def test_every_unit_comes_from_a_paper_that_its_docstring_names(entries):
    known = {e["arxiv"] for e in entries if "arxiv" in e}
    for unit in UNITS:
        module = ast.parse((ROOT / f"library/units/{unit}.py").read_text(encoding="utf-8"))
        text = " ".join(ast.get_docstring(c) or "" for c in module.body if isinstance(c, ast.ClassDef))
        named = set(re.findall(r"arXiv (\d{4}\.\d{5})", text))
        assert named <= known, f"{unit}: {named - known} are not in the index"
        sources = [e for e in entries if unit in e.get("units", [])]
        assert sources, f"no paper introduced {unit}"
        assert not named or named & {e.get("arxiv") for e in sources}, f"{unit} names {named}"


def found(entries: list[dict], query: str) -> list[str]:
    """The five best by BM25 over title, idea, tags and authors, any word of the query counting."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE p USING fts5(id UNINDEXED, title, idea, tags, authors, tokenize='porter unicode61')")
    db.executemany(
        "INSERT INTO p VALUES (?,?,?,?,?)",
        [(e["id"], e["title"], e["idea"], " ".join(e["tags"]), ", ".join(e["authors"])) for e in entries],
    )
    words = " OR ".join(f'"{w}"' for w in re.findall(r"\w+", query))
    return [row[0] for row in db.execute("SELECT id FROM p WHERE p MATCH ? ORDER BY bm25(p, 0, 2, 1, 1, 1) LIMIT 5", [words])]


def test_forty_queries_find_an_expected_paper_among_the_first_five(entries):
    queries = yaml.safe_load((ROOT / "tests/papers/queries.yaml").read_text(encoding="utf-8"))
    assert len(queries) == 40
    assert {i for ids in queries.values() for i in ids} <= {e["id"] for e in entries}
    missed = {q: found(entries, q) for q, ids in queries.items() if not set(ids) & set(found(entries, q))}
    assert len(missed) <= 4, missed
