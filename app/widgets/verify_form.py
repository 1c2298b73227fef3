"""What to verify: designs, scale, seeds, corpus, tasks, options; what it will cost, before it starts."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import shell
from app.widgets import choose
from app.widgets.kept import folded, keep, recall
from app.widgets.roles import may
from core.desk import Desk
from core.errors import UsageError
from core.report import words
from core.types import VerifyOptions

MOST_SEEDS = 50
LARGEST_SEED = 2**31 - 1
BUILTIN = "python_docs"
ASKED = ("designs", "scale", "seeds")               # of an address
KEPT = ("verify-designs", "verify-scale", "verify-seeds", "verify-corpus", "verify-more", "verify-tasks", "verify-early", "verify-sweep", "verify-trackers")
SURE = ("measured here", "from a timed run here")   # what an estimate rests on when no timed run would better it


def draw_form(desk: Desk) -> str:
    """The scale that is chosen."""
    st.subheader("New verification", anchor=False)
    able = choose.able()
    names = list(desk.scales)
    named = [d for d in dict.fromkeys(st.query_params.get("designs", "").split(",")) if d]
    at = st.query_params.get("scale", "")
    first = {"verify-designs": [d for d in named if d in able], "verify-scale": at if at in names else names[0], "verify-seeds": st.query_params.get("seeds") or "0"}
    recall("verify", ASKED, first, {"verify-designs": able, "verify-scale": names})
    chosen = choose.several("Designs", able, "verify-designs", lambda d: f"{d.id} · {d.title}", "those with checked code")
    if lacking_code := [d for d in named if d not in able]:
        st.caption(f":material/info: Not here: {shell.plain(', '.join(map(shell.short, lacking_code[:4])))}{' …' * (len(lacking_code) > 4)}. Only what has checked code can be verified.")
    if at and at not in names:
        st.caption(f":material/info: There is no scale {shell.plain(shell.short(at))} here.")
    one, two = st.columns(2)
    scale = one.selectbox("Scale", names, key="verify-scale")
    told = two.text_input("Seeds", key="verify-seeds", help="0 or 0,1,2 or 0-4: the same seeds for every design, so that comparisons are paired. "
                          "One seed decides nothing; three tell a gain from noise.")
    seeds: list[int] = []
    with shell.worded():
        seeds = parse_seeds(told)
    corpus = choose_corpus(desk, scale)
    options = choose_options(desk)
    lacking: dict[str, int] = dict.fromkeys(chosen, len(seeds))
    with shell.worded():
        lacking = desk.to_train(chosen, scale, seeds, corpus, options.sweep)
    draw_estimate(desk, lacking, scale, corpus, options)
    asked, needed = len(chosen) * len(seeds), sum(lacking.values())
    if needed < asked:
        st.caption(f"{asked - needed} of {asked} are measured or under way already: they cost nothing, and get the tasks that they lack.")
    dear = needed > desk.store.ledger.account(scale).left
    if dear:
        st.caption(f":orange[The budget of {scale} is too small for {needed}: raise it under Budgets.]")
    if st.button(f"Verify {needed or ''}".strip(), type="primary", icon=":material/play_arrow:", **may("verify", disabled=not asked or dear)) and shell.act(
            lambda: desk.verify(chosen, scale, seeds, corpus, options=options), f"{asked} queued"):
        st.rerun()
    draw_budgets(desk, scale)
    keep("verify", ASKED, KEPT)
    return scale


def choose_corpus(desk: Desk, scale: str) -> str | None:
    """A corpus by name, or by the path of a file or folder; None for the built-in one."""
    shelf = {c.name: c for c in desk.corpora() if not c.problem}
    names = list(dict.fromkeys([BUILTIN, *shelf]))
    said = st.selectbox("Corpus", names, key="verify-corpus", accept_new_options=True, help="a name; or, for admins, the path of a text, JSONL or Parquet file, or of a folder",
                        format_func=lambda n: f"{n} · {shelf[n].title}" if n in shelf else n)
    found = shelf.get(said or BUILTIN)
    if found is None or said == BUILTIN or scale in found.prepared:
        return None if said == BUILTIN else said
    with st.container(horizontal=True, vertical_alignment="center"):
        size = f"{found.tokens:,} tokens" if found.tokens else "all there is"
        st.caption(f"Not ready for {scale} yet ({shell.plain(found.kind)}, {size}): the first verification makes it so.", width="stretch")
        if st.button("Prepare", icon=":material/download:", key="prepare-corpus", **may("prepare_corpus", "read or fetch it, split and tokenize it, now")) and shell.act(
                lambda: desk.prepare_corpus(said, scale), "queued"):
            st.rerun()
    return said


def parse_seeds(text: str) -> list[int]:
    """0,2,5-7 → [0, 2, 5, 6, 7]. Raises UsageError."""
    seeds: list[int] = []
    for part in (p.strip() for p in text.replace(" ", ",").split(",") if p.strip()):
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()) or len(part) > 21:
            raise UsageError(f"{shell.short(part)!r} is no seed", "write them as 0,1,2 or 0-4")
        if int(high or low) > LARGEST_SEED or int(low) > LARGEST_SEED:
            raise UsageError(f"the seed {part} is too large", f"the largest is {LARGEST_SEED}; write them as 0,1,2 or 0-4")
        if dash and int(high) < int(low):
            raise UsageError(f"{part!r} ends before it begins", f"write {int(high)}-{int(low)}")
        seeds += range(int(low), min(int(high), int(low) + MOST_SEEDS) + 1) if dash else [int(low)]
    found = list(dict.fromkeys(seeds))
    if not found:
        raise UsageError("no seed is named", "write 0, or 0,1,2, or 0-4")
    if len(found) > MOST_SEEDS:
        raise UsageError(f"{shell.short(text)!r} names more than {MOST_SEEDS} seeds", "three or five tell a gain from noise")
    return found


def choose_options(desk: Desk) -> VerifyOptions:
    """What besides the score is wanted."""
    own = sorted(path.parent.name for path in (desk.config.library_dir / "tasks").glob("*/*.yaml"))
    names = list(dict.fromkeys([*VerifyOptions().tasks, *own]))
    box = folded("Tasks and options", "verify-more", "verify-tasks")
    if box is None:
        return VerifyOptions()
    st.session_state.setdefault("verify-tasks", list(VerifyOptions().tasks))
    with box:
        tasks = st.multiselect("Tasks", names, key="verify-tasks", accept_new_options=True,
                               help="accuracies beside the score. Those of the library run offline, over files under DATA_DIR where they need some; "
                                    "or type the name of one of lm-eval's, which is fetched")
        early = st.checkbox("Stop hopeless runs early", key="verify-early", help="beside the references' curves; it is said in the results")
        sweep = st.checkbox("Find each design's own learning rate first", key="verify-sweep", help="a short sweep at the cheapest scale, so that each is judged at its best")
        trackers = st.multiselect("Also send the curves to", ["tensorboard", "wandb"], key="verify-trackers",
                                  format_func={"tensorboard": "TensorBoard files under DATA_DIR", "wandb": "Weights & Biases"}.get)
    return VerifyOptions(tuple(tasks), sweep, early, tuple(trackers))


def draw_estimate(desk: Desk, lacking: Mapping[str, int], scale: str, corpus: str | None, options: VerifyOptions) -> None:
    """Of so many trainings of each design."""
    if not lacking:
        return
    account = desk.store.ledger.account(scale)
    found = desk.estimate(list(lacking), scale, lacking, shell.price(), options)
    with st.container(horizontal=True, gap="medium"):
        st.metric("time", shell.took(found.seconds), width="content")
        st.metric("memory", f"{found.memory_mb / 1024:.1f} GB", width="content")
        if found.flops is not None:
            st.metric("FLOPs", words.big(found.flops), width="content")
        if found.money is not None:
            st.metric("money", f"{found.money:,.2f}", width="content")
        st.metric("budget after", f"{account.left - sum(lacking.values()):g} of {account.granted:g}", width="content")
    st.caption(shell.plain(found.basis))
    unsure = [p.design_id for p in found.parts if p.basis not in SURE]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shell.ask_price()
        if unsure and st.button(f"Measure {len(unsure) if len(unsure) > 1 else ''}".strip(), icon=":material/timer:", key="measure",
                                **may("time", "a short timed run of each design that was never timed here: a minute or less at the small scales")) and shell.act(
                lambda: [desk.time(d, scale, corpus) for d in unsure], "queued"):
            st.rerun()


def draw_budgets(desk: Desk, scale: str) -> None:
    box = st.expander(f"Budgets: {desk.store.ledger.account(scale).left:g} left at {scale}", key="verify-budgets", on_change="rerun")
    if not box.open:
        return
    with box:
        names = ["design", *desk.scales]
        st.table([{"account": a.name, **{name: f"{value:g}" for name, value in (("granted", a.granted), ("spent", a.spent), ("reserved", a.reserved), ("left", a.left))}}
                  for a in (desk.store.ledger.account(n) for n in names) if a.granted], border="horizontal", hide_index=True)
        name = st.selectbox("Set", names, index=names.index(scale))
        total = st.number_input("to a total of", 0.0, 1e6, float(desk.store.ledger.account(name).granted), step=5.0, key=f"budget-{name}")
        if st.button("Set the budget", key="set-budget", **may("set_budget")) and shell.act(lambda: desk.set_budget(name, total), f"{name}: {total:g}"):
            st.rerun()
