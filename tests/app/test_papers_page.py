"""The papers of the Library page: found while one types, read with what was looked for marked, noted, proposed from; what papers say is shown as text."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from core.desk import Desk
from core.papers.importing import add_file
from core.types import Kind, Mode

HOSTILE = """# Gates <script>alert(1)</script> that ![open](https://evil.example/x.png)

## Intro

The forget gate $f_t = \\sigma(W x_t)$ is <img src=x onerror=alert(2)> and [click](javascript:alert(3)) :red[shout].
"""


def said(test: AppTest) -> str:
    return "\n".join(str(e.value) for kind in (test.markdown, test.caption, test.info, test.warning, test.error, test.subheader) for e in kind)


def test_papers_are_found_from_a_link_and_lead_to_the_tree(open_page: Callable[..., AppTest]):
    test = open_page("library", view="papers", q="delta rule fast weights")
    text = said(test).replace("\\", "")
    assert ":orange-background[delta]" in text
    assert "best 30 of" in text
    test.text_input(key="papers-words").set_value("zzqqxx").run()
    assert "No paper has these words" in said(test)


def test_a_papers_words_are_shown_as_text_and_its_formulas_are_set(open_page: Callable[..., AppTest], desk: Desk):
    paper, _, _ = add_file(desk.store, "gates.md", HOSTILE.encode(), "primary")
    test = open_page("library", paper=paper.id, passage="1", q="forget")
    text = said(test)
    assert "$f_t = \\sigma(W x_t)$" in text
    assert ":orange-background[forget]" in text
    assert not any(bad in text for bad in (" <script>", " <img", "](javascript", "![open", " :red[shout"))
    test.text_area(key="paper-note-text").set_value("mind the <b>bias</b>")
    next(b for b in test.button if b.label == "Add the note").click().run()
    assert [n.text for n in desk.store.papers.notes(paper.id)] == ["mind the <b>bias</b>"]
    assert "<b>" not in said(test)
    assert "No reference design implements this paper yet" in said(test)
    test.selectbox(key="paper-design").set_value("griffin")
    next(b for b in test.button if b.label == "Add as its reference").click().run()
    assert "In the tree as a reference" in said(test)


def test_the_studio_opens_with_what_a_paper_suggests(open_page: Callable[..., AppTest]):
    test = open_page("studio", parents="deltanet", instructions="Start from “X”, and cite it as [paper:x].")
    assert test.text_area(key="new-instructions").value == "Start from “X”, and cite it as [paper:x]."
    assert test.toggle(key="new-explore").value
    assert any(b.label == "Propose from this paper" for b in open_page("library", paper="yang2024-deltanet").button)


def test_wrong_links_to_papers_become_words(open_page: Callable[..., AppTest]):
    assert "there is no paper" in said(open_page("library", paper="nope")).replace("\\", "")
    assert "there is no passage 99" in said(open_page("library", paper="yang2024-deltanet", passage="99"))


def test_what_a_proposal_cites_is_linked_and_what_nothing_stands_behind_is_marked(open_page: Callable[..., AppTest], desk: Desk):
    session = desk.start_session(["gpt2"], n_proposals=1, enqueue=False)
    desk.store.designs.add(id="cites", title="Cites", kind=Kind.AGENT, mode=Mode.MUTATION, parents=("gpt2",), author="a", session_id=session.id, index=0, summary="s")
    desk.edit("cites", "Cites", "By the delta rule [paper:yang2024-deltanet], and [paper:nobody2030-nothing].")
    text = said(open_page("design", design="cites"))
    assert "library?paper=yang2024-deltanet" in text
    assert "Citations that nothing stands behind" in text
    assert "~~" in text
