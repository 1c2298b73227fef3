"""Other libraries are asked politely, remembered, and their failures become words; papers are fetched from them once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from libraries import Libraries

from core.config import Config
from core.errors import PaperError, SourceError, SourceLimited
from core.papers.arriving import Roads, arrive
from core.papers.fetching import Fetcher
from core.papers.sources import BASES
from core.papers.sources.door import Wait
from core.papers.sources.make import make_sources
from core.store import Store
from core.store.paper_nouns import Facts


class World:
    def __init__(self, store: Store, config: Config, server: Libraries, keys: dict[str, str]) -> None:
        self.store, self.config, self.server = store, config, server
        self.slept: list[float] = []
        self.client = httpx.Client(timeout=5.0)
        self.sources = make_sources(store, keys, dict.fromkeys(BASES, server.base), self.client, Wait(self.slept.append))
        self.roads = Roads(self.sources, Fetcher(self.client, server.base, inner=True))

    def arrive(self, source: str, token: str = "one", **more: object) -> dict:
        return arrive(self.store, self.config, {"source": source, "tier": "primary", "import": token, **more}, lambda fraction, words: None, self.roads)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    config, server = Config.from_env({"DATA_DIR": str(tmp_path / "data")}), Libraries()
    store = Store.open(config, migrate=True)
    yield World(store, config, server, {"semantic_scholar": "s3cret"})
    store.close()
    server.close()


@pytest.mark.parametrize("name", list(BASES))
def test_each_library_is_read_and_remembered(world: World, name: str):
    source = world.sources[name]
    (found,) = source.search("linear attention")
    assert found.title
    assert found.authors
    assert found.year
    asked = len(world.server.asked)
    assert source.search("linear attention") == [found]
    assert len(world.server.asked) == asked, "the same question costs nothing"
    one = source.get("arxiv", "2406.06484")
    assert one is not None
    assert source.get("no such kind", "x") is None


def test_what_each_says_is_kept(world: World):
    scholar, arxiv, openalex, hub = (world.sources[n].search("linear attention")[0] for n in BASES)
    assert (scholar.arxiv, scholar.citations, scholar.tldr) == ("2406.06484", 123, "DeltaNet in parallel.")
    assert (arxiv.arxiv, arxiv.doi, arxiv.title) == ("2101.00001", "10.1000/xyz.2101.00001", "A Paper of 2101.00001 <b>bold</b>")
    assert (openalex.abstract, openalex.arxiv) == ("Open attention works", "2301.00007")
    assert (hub.arxiv, hub.tldr) == ("2406.06484", "Trained in chunks.")
    assert world.server.asked[0][2]["x-api-key"] == "s3cret"
    assert "s3cret" not in repr(world.sources["semantic_scholar"]._door)


@pytest.mark.parametrize("name", ["semantic_scholar", "arxiv"])
def test_failures_are_waited_for_a_moment_and_then_told(world: World, name: str):
    source, server = world.sources[name], world.server
    server.faults = [(429, {"Retry-After": "2"}), 500]
    assert source.search("attention one"), "a short wait and a stumble are sat out"
    assert 2.0 in world.slept
    server.faults = [(429, {"Retry-After": "600"})]
    with pytest.raises(SourceLimited, match="takes no more requests"):
        source.search("attention two")
    asked = len(server.asked)
    with pytest.raises(SourceLimited):
        source.search("attention three")
    assert len(server.asked) == asked, "nobody asks before the wait is over"
    assert source.state().state == "limited"
    assert source.search("attention one"), "what was answered before needs no one"


def test_a_date_to_wait_until_is_understood(world: World):
    world.server.faults = [(429, {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)})]
    with pytest.raises(SourceLimited) as told:
        world.sources["arxiv"].search("attention")
    assert 3500 < told.value.after_s <= 3600


@pytest.mark.parametrize("name", list(BASES))
@pytest.mark.parametrize("fault", ["garbage", "null", "empty"])
def test_answers_that_are_none_become_words_and_are_not_remembered(world: World, name: str, fault: str):
    world.server.faults = [fault]
    with pytest.raises(SourceError, match="cannot be read"):
        world.sources[name].search("attention")
    assert world.sources[name].state().state == "down"


def test_a_library_that_is_down_or_empty_says_so(world: World):
    world.server.faults = [500, 502, 500]
    with pytest.raises(SourceError, match="failed with 500"):
        world.sources["semantic_scholar"].search("attention")
    assert world.sources["semantic_scholar"].state().state == "down"
    assert world.sources["arxiv"].search("nothing") == []
    assert world.sources["arxiv"].get("arxiv", "bad") is None
    world.server.faults = [403]
    with pytest.raises(SourceError, match="refused"):
        world.sources["openalex"].search("attention")
    bare = make_sources(world.store, {}, dict.fromkeys(BASES, world.server.base), world.client, Wait(world.slept.append))
    assert bare["hub"].state().state == "no key"


def test_requests_keep_their_distance(world: World):
    for n in range(3):
        world.sources["arxiv"].search(f"attention {n}")
    assert len([s for s in world.slept if 2.5 < s <= 3.0]) == 2


def test_a_paper_is_fetched_by_its_id_once_with_its_text(world: World):
    first = world.arrive("arXiv:2101.00001v3")
    (paper,) = first["papers"]
    assert (first["added"], world.store.papers.get("2101.00001").id) == (1, paper)
    assert any("$S_t" in p.text for p in world.store.papers.passages(paper))
    assert world.arrive("https://arxiv.org/abs/2101.00001", "two")["known"] == 1
    assert world.store.papers.count() == 1
    by_pdf = world.arrive("2406.06484", "three")           # no HTML of it: its PDF
    assert world.store.papers.files(by_pdf["papers"][0])[0].form == "pdf"
    by_doi = world.arrive("10.1000/abc", "four")
    assert by_doi["papers"]
    looked = world.arrive("linear attention", "", ask="openalex")
    assert looked["papers"][0]["title"] == "An open work"


def test_what_further_sources_add_is_joined_and_no_more_are_asked_than_needed(world: World):
    (name,) = world.arrive("2406.06484")["papers"]
    facts = world.store.papers.get(name).facts
    assert (facts.citations, facts.tldr, facts.venue) == (123, "DeltaNet in parallel.", "Neural Information Processing Systems")
    assert world.store.papers.sources(name)[:2] == ["arxiv", "semantic_scholar"]
    assert not any(path.startswith("/api/papers/") for path, _, _ in world.server.asked), "the Hub has nothing to add"
    assert world.store.papers.count() == 1


def test_an_answer_about_another_paper_is_not_believed(world: World):
    done = world.arrive("2202.00001")                      # the stub's Hub answers whatever is asked with DeltaNet
    (name,) = done["papers"]
    assert world.store.papers.get(name).facts.arxiv == "2202.00001"
    assert world.store.papers.sources(name)[0] == "arxiv"
    assert not world.store.papers.has("2406.06484")


def test_a_source_that_is_down_does_not_keep_a_file_away(world: World):
    world.server.faults = [500] * 9
    done = world.arrive("2101.00001")
    assert done["added"] == 1
    assert "failed with 500" in done["troubles"][0]["why"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x.pdf", "http://localhost/x", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "http://[::1]/x"])
def test_addresses_of_the_own_network_are_refused(world: World, url: str):
    with pytest.raises(PaperError):
        Fetcher(world.client).get(url)


def test_meaning_joins_the_words_where_a_server_has_it_and_is_missed_nowhere(world: World):
    from core.papers.library import PaperLibrary
    from core.papers.meaning import Embeddings

    animals, _ = world.store.papers.add(Facts(title="Felines and their kin"), "bibtex", "primary")
    world.store.papers.add(Facts(title="Reciprocal gates in circuits"), "bibtex", "primary")
    calls: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        texts = json.loads(request.content)["input"]
        calls.append(len(texts))
        return httpx.Response(200, json={"data": [{"index": n, "embedding": [1.0, 0.0] if "elines" in t or "cats" in t else [0.0, 1.0]} for n, t in enumerate(texts)]})

    meaning = Embeddings(world.store, "http://here/v1#small", client=httpx.Client(transport=httpx.MockTransport(answer)))
    assert (meaning.refresh(lambda *_: None), meaning.refresh(lambda *_: None)) == (2, 0)
    library = PaperLibrary(world.store, world.config.data_dir, meaning)
    assert library.search("cats")[0].paper.id == animals.id
    down = Embeddings(world.store, "http://here/v1#other", client=httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(500))))
    assert PaperLibrary(world.store, world.config.data_dir, down).search("felines")[0].paper.id == animals.id
    with pytest.raises(SourceError, match="no embeddings"):
        down.refresh(lambda *_: None)
