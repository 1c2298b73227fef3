"""The papers of the Library page, by hand: found while one types, read, noted, proposed from, linked with the tree, dropped as a file; on a wide screen and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from serving import settled

from core.config import Config
from core.desk import Desk
from core.papers.importing import add_file

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

RTL = "\u202etxet desrever\u202c"
HOSTILE = f"""# Quartz gates <script>window.hit=1</script> ![x](https://evil.example/t.png) {RTL}

## Intro [click](javascript:window.hit=2)

The quartz gate $f_t = \\sigma(W x_t)$ is <img src=x onerror="window.hit=3"> and [here](https://evil.example) or www.evil.example, :red[shout] {RTL} `code` and **bold**.

<iframe src="https://evil.example"></iframe> $\\href{{https://evil.example/m}}{{m}}$ $\\htmlData{{a=b}}{{x}}$ {"w" * 400}

# Not a heading of ours
| a | b |
"""
OUTSIDE = """() => [...document.querySelectorAll('[src], [href]')].map((a) => a.getAttribute('src') || a.getAttribute('href')).filter((h) => /evil|javascript:/.test(h))"""
TOO_WIDE = "() => document.scrollingElement.scrollWidth - innerWidth"
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def desk(app) -> Iterator[Desk]:
    desk = Desk.open(Config.from_env({"DATA_DIR": str(app.data_dir)}))
    desk.paper_library.ready()
    yield desk
    desk.store.close()


@pytest.fixture(scope="module")
def hostile(desk: Desk) -> str:
    return add_file(desk.store, "quartz.md", HOSTILE.encode(), "primary")[0].id


def pdf(words: str) -> bytes:
    """One page that says this."""
    stream = b"BT /F1 12 Tf 72 700 Td 14 TL " + b" ".join(f"({line}) Tj T*".encode() for line in words.splitlines()) + b" ET"
    parts = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
             b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream), b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    made, at = b"%PDF-1.4\n", []
    for n, part in enumerate(parts, 1):
        at.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (n, part)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in at)
    return made + b"xref\n0 6\n0000000000 65535 f \n" + table + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(made)


def test_results_come_while_one_types_and_open_the_marked_passage(app, desk: Desk, hostile: str, page: Page):
    page.goto(f"{app.url}/library?view=papers")
    field = page.get_by_placeholder("an idea, a title, an author, an arXiv id")
    expect(field).to_be_visible(timeout=20_000)              # the first page of a cold server
    settled(page)
    field.press_sequentially("quartz gat", delay=40)          # no Enter
    found = page.locator("[class*='st-key-papers-hit-']").first
    expect(found).to_contain_text("Quartz gates")
    expect(field).to_be_focused()
    expect(field).to_have_value("quartz gat")
    settled(page)
    found.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(f"paper={hostile}.*passage="))
    hit = page.locator("[class*='st-key-passage-hit-']")
    expect(hit).to_contain_text("The quartz")
    assert hit.locator("span").filter(has_text=re.compile("^quartz$")).first.evaluate("e => getComputedStyle(e).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert float(hit.evaluate("e => parseFloat(getComputedStyle(e).borderLeftWidth)")) >= 2
    assert hit.evaluate("e => e.getBoundingClientRect().top < innerHeight")


@pytest.mark.parametrize("size", [{"width": 1440, "height": 900}, PHONE])
def test_a_papers_words_do_nothing_and_fit(app, hostile: str, page: Page, size: dict[str, int]):
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if "evil" in r.url else None)
    page.set_viewport_size(size)
    for where in (f"paper={hostile}&q=quartz&passage=1", "view=papers&q=quartz"):
        page.goto(f"{app.url}/library?{where}")
        expect(page.get_by_text("Quartz gates").first).to_be_visible()
        settled(page)
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate("() => window.hit") is None
        assert page.evaluate(TOO_WIDE) <= 0
        assert "\u202e" not in page.inner_text("body"), "what a paper says does not turn round the page's own words"
    assert asked == []


def test_a_note_is_kept(app, desk: Desk, page: Page):
    page.goto(f"{app.url}/library?paper=yang2024-deltanet")
    page.get_by_placeholder("what to keep in mind of it").fill("mind the <b>chunks</b> [x](https://evil.example)")
    page.get_by_role("button", name="Add the note").click()
    expect(page.get_by_text("mind the <b>chunks</b>")).to_be_visible()
    settled(page)
    page.reload()
    expect(page.get_by_text("mind the <b>chunks</b>")).to_be_visible()
    assert page.evaluate(OUTSIDE) == []
    assert len(desk.store.papers.notes("yang2024-deltanet")) == 1


def test_propose_from_this_paper_opens_the_studio_with_it(app, page: Page):
    page.goto(f"{app.url}/library?paper=yang2024-deltanet")
    settled(page)
    page.get_by_role("button", name="Propose from this paper").click()
    expect(page).to_have_url(re.compile("/studio"))
    expect(page.locator("textarea").filter(has_text="[paper:yang2024-deltanet]").first).to_be_visible()


def test_a_paper_is_added_to_the_tree_as_a_reference(app, desk: Desk, hostile: str, page: Page):
    page.goto(f"{app.url}/library?paper={hostile}")
    page.get_by_placeholder("a design").or_(page.locator(".st-key-paper-design input")).first.click()
    page.keyboard.type("griffin")
    page.get_by_role("option", name="griffin").first.click()
    page.get_by_role("button", name="Add as its reference").click()
    expect(page.get_by_text("In the tree as a reference")).to_be_visible()
    assert desk.open_paper(hostile).paper.facts.designs == ("griffin",)
    settled(page)
    page.goto(f"{app.url}/library?design=griffin")
    expect(page.get_by_role("link", name=re.compile("Quartz gates"))).to_be_visible()


def test_a_dropped_pdf_is_imported_and_a_broken_one_is_told_of(app, desk: Desk, page: Page, tmp_path: Path):
    good, bad = tmp_path / "obsidian.pdf", tmp_path / "broken.pdf"
    good.write_bytes(pdf("Obsidian Mixers for Long Sequences of Tokens\nAnn Roe\nAbstract\nObsidian mixing keeps what a stream of tokens said before."))
    bad.write_bytes(b"%PDF-1.4 nothing")
    for path, said in ((good, "1 added"), (bad, "1 that could not be read")):
        page.goto(f"{app.url}/library?view=papers")
        page.get_by_role("tab", name="Bring papers in").click()
        page.locator("input[type=file]").set_input_files(path)
        expect(page.get_by_text(path.name).first).to_be_visible()
        settled(page)
        page.get_by_role("button", name="Import the files").click()
        expect(page.get_by_text(said)).to_be_visible(timeout=90_000)
    page.get_by_text("1 that could not be read").click()
    expect(page.get_by_text("broken.pdf:")).to_be_visible()
    assert desk.search_papers("obsidian mixing")[0].paper.title.startswith("Obsidian Mixers")
