"""Report: one verification in full, or any number side by side. The link says which: /report?verifications=12,15"""

from __future__ import annotations

import json

import streamlit as st

from app import shell
from app.widgets import choose
from app.widgets.report_view import draw_many, draw_one
from core.desk import Desk
from core.report import Report, reports, to_json
from core.report.html import as_html
from core.report.words import as_csv
from core.types import Verification

CHOICES = 500        # newest verifications that the picker offers
REFERENCE = "gpt2"


def main() -> None:
    desk = shell.desk()
    rows = {v.id: v for v in desk.store.verifications.all()}
    known, unknown = asked(rows)
    st.subheader("Report", anchor=False)
    chosen, reference = pick(desk, rows, known)
    for text in unknown:
        st.warning(f"There is no verification {shell.plain(text)}.", icon=":material/search_off:")
    if not chosen:
        draw_start(rows)
        return
    running = any(rows[i].finished_at is None for i in chosen)
    shell.live(lambda: draw(desk, chosen, reference), running, every=3.0)


def asked(rows: dict[int, Verification]) -> tuple[list[int], list[str]]:
    """What the link names: those that are there, and the words that name none."""
    known, unknown = [], []
    for text in dict.fromkeys(t.strip() for t in st.query_params.get("verifications", "").split(",") if t.strip()):
        if text.isdecimal() and int(text) in rows:
            known.append(int(text))
        else:
            unknown.append(text[:40])
    return list(dict.fromkeys(known)), unknown


def pick(desk: Desk, rows: dict[int, Verification], known: list[int]) -> tuple[list[int], str]:
    """Which verifications are shown, and whom they are compared with; the link follows."""
    if st.session_state.get("report-linked") != known:  # a new link, or the first visit
        st.session_state["report-linked"] = st.session_state["report-ids"] = known
    options = [*dict.fromkeys([*known, *sorted(rows, reverse=True)[:CHOICES]])]
    designs = {d.id: d for d in shell.designs()}
    asked_for = st.query_params.get("reference", REFERENCE)
    default = asked_for if asked_for in designs else REFERENCE  # offered before it was verified too: the page then says what is missing, and how to get it
    able = {i: d for i, d in designs.items() if d.scores or i == default}
    left, right = st.columns([5, 1] if len(able) <= choose.MOST else [3, 1.4])
    chosen = left.multiselect("Verifications", options, key="report-ids", format_func=lambda i: label(rows[i]), placeholder="choose one, or several to compare")
    with right:
        reference = choose.one("Compared with", able, "report-reference", first=[default]) or default
    if chosen != known:
        st.session_state["report-linked"] = chosen
        shell.address({**st.query_params.to_dict(), "verifications": ",".join(map(str, chosen))})
    return chosen, reference


def label(v: Verification) -> str:
    told = f"{v.metrics.bits_per_byte:.4f}" if v.metrics else "stopped early" if v.failure.startswith("stopped early") else "failed" if v.failure else "running"
    return f"{v.id}: {v.design_id} · {v.scale} · seed {v.seed} · {told}"


def draw(desk: Desk, chosen: list[int], reference: str) -> bool:
    """Whether something shown is still being measured."""
    found = reports(desk, chosen, reference, shell.price())
    draw_head(found)
    if len(found) == 1:
        draw_one(desk, found[0])
    else:
        draw_many(found)
    return any(r.state == "running" for r in found)


def draw_head(found: list[Report]) -> None:
    first = found[0]
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(found) == 1:
            st.badge(first.state, color={"done": "green", "running": "blue", "failed": "red", "stopped early": "orange"}[first.state])
            st.caption(f"{shell.plain(first.design.title)} · {first.scale} · seed {first.seed} · {shell.plain(first.corpus)} · {shell.ago(first.created_at)}", width="content")
            shell.link("design", "Its design", ":material/open_in_new:", design=first.design.id)
        name = "report-" + "-".join(str(r.verification) for r in found[:6])
        data = [to_json(r) for r in found]
        st.download_button("JSON", lambda: json.dumps(data[0] if len(data) == 1 else data, indent=1, ensure_ascii=False, allow_nan=False), f"{name}.json", "application/json",
                           icon=":material/download:", key="report-json", on_click="ignore")
        st.download_button("HTML", lambda: as_html(found), f"{name}.html", "text/html", icon=":material/download:", key="report-html", on_click="ignore",
                           help="one file, nothing from elsewhere: to read, send or print")
        st.download_button("CSV", lambda: as_csv(found), f"{name}.csv", "text/csv", icon=":material/download:", key="report-csv", on_click="ignore")


def draw_start(rows: dict[int, Verification]) -> None:
    if not rows:
        st.info("Nothing was verified yet. Verify gpt2 at nano first: it takes about a minute, and every other score is read against it.", icon=":material/science:")
        shell.link("verify", "Verify", ":material/science:", designs=REFERENCE)
        return
    st.caption("The newest:")
    for i in sorted(rows, reverse=True)[:12]:
        shell.link("report", label(rows[i]), ":material/lab_profile:", verifications=str(i))


main()
