"""What a proposal read and cites, with links to the passages; what nothing stands behind is marked."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.papers_text import linked
from core.desk import Desk
from core.store.paper_nouns import Citation
from core.types import Proposal


def citations_of(desk: Desk, proposal: Proposal) -> list[Citation]:
    """Of this revision."""
    return [c for c in desk.store.citations.of_design(proposal.design_id) if c.proposal_id == proposal.id]


def cited_body(desk: Desk, proposal: Proposal) -> str:
    """Its text as Markdown, whose citations open the passage."""
    return shell.prose(linked(proposal.body, citations_of(desk, proposal) if "[paper:" in proposal.body.lower() else []))


def draw_citations(found: list[Citation]) -> None:
    lost = [c for c in found if c.kind == "cited" and c.trouble]
    if lost:
        st.warning("Citations that nothing stands behind:\n\n" + "\n".join(f"- {shell.plain(c.told)}: {shell.plain(c.trouble)}" for c in lost), icon=":material/link_off:")
    for kind, words in (("cited", "It cites"), ("read", "Its designer read")):
        good = [c for c in found if c.kind == kind and c.paper_id and not c.trouble]
        if good:
            st.caption(words)
            for c in good:
                at = str(c.passage) if c.passage > 0 else ""
                shell.link("library", c.paper_id + (f", passage {at}" if at else ""), ":material/article:", paper=c.paper_id, passage=at)
