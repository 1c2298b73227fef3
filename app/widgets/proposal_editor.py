"""A proposal in a person's hands: its reviews, and a form for text, unit tree and new units."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
import yaml

from app import shell
from app.widgets.began import began, begin, draw_newer
from app.widgets.diff import draw_diff
from app.widgets.roles import may
from core.desk import Desk
from core.errors import UnitError
from core.report.design import as_text
from core.types import NewUnit, Proposal, Review, UnitTree

LONGEST_TITLE = 200


def draw_review(review: Review) -> None:
    """Its text, where it repeats itself, and the relatives that it names."""
    with st.container(key=f"review-{review.id}", gap="small"):
        if review.data.get("stuck"):
            st.warning(f"This reviewer repeats itself: {shell.plain(str(review.data.get('repeats', '')))}." + (" Judge this one yourself." if review.data["stuck"] == 2 else ""),
                       icon=":material/replay:")
        st.caption(f"{review.reviewer} · {review.rating:.1f} of 5" + (f" · {review.data['forecast']:.0%} to beat the reference" if "forecast" in review.data else ""))
        st.markdown(shell.prose(review.text))
        if review.data.get("nearest"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption("Nearest relatives", width="content")
                for name in review.data["nearest"]:
                    shell.link("design", name, ":material/account_tree:", design=name)


def draw_editor(desk: Desk, newest: Proposal, may_declare: bool = False) -> None:
    """A form; what is saved is a new revision, the old ones stay. `may_declare`: new units can be added, since somebody can write them.

    Somebody else's newer revision changes nothing in it: the visitor sees what is new, and saves over it or begins from there.
    """
    design = newest.design_id
    at = began(f"edit-{design}", f"draft-title-{design}-", newest.revision)
    proposal = newest if at == newest.revision else next(p for p in desk.store.proposals.revisions(design) if p.revision == at)
    declares = bool(proposal.new_units) or may_declare
    if twin := desk.copied(design):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(f"As it was edited, this is a copy of {shell.plain(twin)}, unit for unit: to write and verify it is to pay twice.", icon=":material/content_copy:")
            shell.link("design", f"See {twin}", ":material/account_tree:", design=twin)
    if newest is not proposal:
        draw_newer(f"edit-{design}", newest.author, at, newest.revision)
        if st.toggle(f"What revision {newest.revision} changed", key=f"newer-{design}"):
            draw_diff(as_text(proposal), as_text(newest), f"newer-{newest.id}")
    with st.form(f"edit-{design}-{at}", border=False):
        title = st.text_input("Title", proposal.title, key=f"draft-title-{design}-{at}", max_chars=LONGEST_TITLE)
        left, right = st.columns([1.6, 1], gap="medium")
        body = left.text_area("Proposal (Markdown)", proposal.body, height=400 if declares else 300, key=f"draft-body-{design}-{at}")
        units = right.text_area("Units (YAML): what gets implemented", _yaml(proposal.units), height=200 if declares else 300, key=f"draft-units-{design}-{at}") if proposal.units else ""
        new = right.text_area("New units (YAML): what the coder writes", _new_yaml(proposal.new_units), height=170, placeholder=NEW_UNIT, key=f"draft-new-{design}-{at}") if proposal.units and declares else None
        with st.container(horizontal=True):
            saved = st.form_submit_button("Save as a new revision", icon=":material/save:", **may("edit"))
            over = newest is not proposal and st.form_submit_button(f"Save over revision {newest.revision}", icon=":material/save_as:", **may("edit", "yours becomes the newest; the other one is kept"))
    made: list[Proposal] = []
    if (saved or over) and shell.act(lambda: made.append(desk.edit(design, title, body, _tree(units), newest.revision if over else at, None if new is None else _new_units(new))), "saved"):
        begin(f"edit-{design}", made[0].revision)
        if twin := desk.copied(design):
            st.toast(f"Saved, though it is a copy of {twin} now, unit for unit.", icon=":material/content_copy:", duration="long")
        st.rerun()


NEW_UNIT = "- name: my_mixer\n  kind: mixer\n  about: Y_t = … equations and shapes\n  config: {share: 1.0}"


def _new_yaml(units: Sequence[NewUnit]) -> str:
    rows = [{"name": u.name, "kind": u.kind, "about": u.about} | ({"slots": {k: dict(v) for k, v in u.slots.items()}} if u.slots else {}) | ({"config": dict(u.config)} if u.config else {})
            for u in units]
    return yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=100) if rows else ""


def _new_units(text: str) -> tuple[NewUnit, ...]:
    """Raises UnitError naming the line, or the entry."""
    rows = _loaded(text, "the new units' YAML") or []
    if not isinstance(rows, list):
        raise UnitError("the new units are no list", "begin each with `- name: …`")
    return tuple(_new_unit(n, row) for n, row in enumerate(rows, 1))


def _new_unit(n: int, row: object) -> NewUnit:
    known = {"name": str, "kind": str, "about": str, "slots": dict, "config": dict}
    if not isinstance(row, dict) or set(row) - set(known) or not {"name", "kind", "about"} <= set(row):
        raise UnitError(f"new unit {n} needs name, kind and about", f"it may also have slots and config; compare:\n{NEW_UNIT}")
    wrong = [key for key, value in row.items() if not isinstance(value, known[key])]
    slots = row.get("slots") or {}
    if wrong or not all(isinstance(s, dict) and isinstance(s.get("kind"), str) for s in slots.values()):
        raise UnitError(f"new unit {n}: {wrong[0] if wrong else 'slots'} cannot be used", "name, kind and about are texts; config and slots are mappings, each slot with a kind")
    return NewUnit(row["name"], row["kind"], row["about"], slots, row.get("config") or {})


def _yaml(tree: UnitTree | None) -> str:
    return yaml.safe_dump(tree.to_dict(), sort_keys=False) if tree else ""


def _tree(text: str) -> UnitTree | None:
    """Raises UnitError naming the line."""
    if not text.strip():
        return None
    try:
        return UnitTree.from_dict(_loaded(text, "the units' YAML"))
    except (KeyError, TypeError, AttributeError, ValueError):
        raise UnitError("the units are no tree", "each node has `unit`, and where they apply `config` and `children`") from None


def _loaded(text: str, what: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise UnitError(f"{what}, line {mark.line + 1 if mark else '?'}: {getattr(error, 'problem', error)}", "mend the line") from None
