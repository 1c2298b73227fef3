"""What to verify: designs, scale, seeds, corpus, tasks, options; what it will cost, before it starts."""

from __future__ import annotations

import streamlit as st

from app import shell
from core.desk import Desk
from core.errors import UsageError
from core.types import Design, Status

MOST_SEEDS = 50
BUILTIN = "python_docs"


def draw_form(desk: Desk, designs: list[Design]) -> str:
    """The scale that is chosen."""
    st.subheader("New verification", anchor=False)
    able = {d.id: d for d in designs if d.status in (Status.IMPLEMENTED, Status.VERIFIED)}
    asked = [d for d in st.query_params.get("designs", "").split(",") if d in able]
    chosen = st.multiselect("Designs", list(able), default=asked, format_func=lambda i: f"{i} · {able[i].title}", key="verify-designs",
                            placeholder="those with checked code")
    one, two = st.columns(2)
    names = list(desk.scales)
    at = st.query_params.get("scale", "")
    scale = one.selectbox("Scale", names, index=names.index(at) if at in names else 0, key="verify-scale")
    told = two.text_input("Seeds", "0", key="verify-seeds", help="0 or 0,1,2 or 0-4: the same seeds for every design, so that comparisons are paired. "
                          "One seed decides nothing; three tell a gain from noise.")
    seeds: list[int] = []
    with shell.worded():
        seeds = parse_seeds(told)
    corpus = choose_corpus(desk, scale)
    draw_estimate(desk, chosen, scale, seeds)
    needed = len(chosen) * len(seeds)
    if st.button(f"Verify {needed or ''}".strip(), type="primary", icon=":material/play_arrow:", disabled=not needed) and shell.act(
            lambda: desk.verify(chosen, scale, seeds, corpus), f"{needed} queued"):
        st.rerun()
    draw_budgets(desk, scale)
    return scale


def choose_corpus(desk: Desk, scale: str) -> str | None:
    """A corpus by name, or by the path of a file or folder; None for the built-in one."""
    shelf = {c.name: c for c in desk.corpora() if not c.problem}
    names = list(dict.fromkeys([BUILTIN, *shelf]))
    said = st.selectbox("Corpus", names, key="verify-corpus", accept_new_options=True, help="a name, or type the path of a text, JSONL or Parquet file, or of a folder",
                        format_func=lambda n: f"{n} · {shelf[n].title}" if n in shelf else n)
    found = shelf.get(said or BUILTIN)
    if found is None or said == BUILTIN or scale in found.prepared:
        return None if said == BUILTIN else said
    with st.container(horizontal=True, vertical_alignment="center"):
        size = f"{found.tokens:,} tokens" if found.tokens else "all there is"
        st.caption(f"Not ready for {scale} yet ({shell.plain(found.kind)}, {size}): the first verification makes it so.", width="stretch")
        if st.button("Prepare", icon=":material/download:", key="prepare-corpus", help="read or fetch it, split and tokenize it, now") and shell.act(
                lambda: desk.prepare_corpus(said, scale), "queued"):
            st.rerun()
    return said


def parse_seeds(text: str) -> list[int]:
    """0,2,5-7 → [0, 2, 5, 6, 7]. Raises UsageError."""
    seeds: list[int] = []
    for part in (p.strip() for p in text.replace(" ", ",").split(",") if p.strip()):
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()) or len(part) > 21:
            raise UsageError(f"{part[:40]!r} is no seed", "write them as 0,1,2 or 0-4")
        seeds += range(int(low), min(int(high), int(low) + MOST_SEEDS) + 1) if dash else [int(low)]
    found = list(dict.fromkeys(seeds))
    if len(found) > MOST_SEEDS:
        raise UsageError(f"{text[:40]!r} names more than {MOST_SEEDS} seeds", "three or five tell a gain from noise")
    return found


def draw_estimate(desk: Desk, chosen: list[str], scale: str, seeds: list[int]) -> None:
    if not chosen or not seeds:
        return
    account = desk.store.ledger.account(scale)
    estimate = desk.estimate(chosen, scale, len(seeds))
    with st.container(horizontal=True):
        st.metric("time", shell.took(estimate.seconds))
        st.metric("memory", f"{estimate.memory_mb / 1024:.1f} GB")
        st.metric("budget after", f"{account.left - len(chosen) * len(seeds):g} of {account.granted:g}")
    st.caption(shell.plain(estimate.basis))


def draw_budgets(desk: Desk, scale: str) -> None:
    with st.expander(f"Budgets: {desk.store.ledger.account(scale).left:g} left at {scale}"):
        names = ["design", *desk.scales]
        st.dataframe([{"account": a.name, "granted": a.granted, "spent": a.spent, "reserved": a.reserved, "left": a.left}
                      for a in (desk.store.ledger.account(n) for n in names) if a.granted], hide_index=True)
        name = st.selectbox("Set", names, index=names.index(scale))
        total = st.number_input("to a total of", 0.0, 1e6, float(desk.store.ledger.account(name).granted), step=5.0, key=f"budget-{name}")
        if st.button("Set the budget", key="set-budget") and shell.act(lambda: desk.set_budget(name, total), f"{name}: {total:g}"):
            st.rerun()
