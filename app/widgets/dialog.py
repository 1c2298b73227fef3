"""A session's dialog on the screen: who said what with which model at what cost, what they thought, were told, and looked up."""

from __future__ import annotations

import streamlit as st

from app import shell
from core.conversation import Conversation, Message, ToolUse
from core.report.said import readable
from core.types import Json, Spent

ICONS = {"designer": ":material/draw:", "reviewer": ":material/rate_review:", "coder": ":material/code:", "debugger": ":material/build:", "observer": ":material/visibility:",
         "ranker": ":material/format_list_numbered:", "librarian": ":material/local_library:", "system": ":material/rule:", "person": ":material/person:"}
PHASES = {"proposing": "Proposing", "reviewing": "Reviewing", "revising": "Revising", "ranking": "Ranking", "waiting": "Waiting for you", "paused": "Paused",
          "implementing": "Implementing", "closed": "Closed"}
COLUMNS = {"designer": ":material/draw: Those who make: designer, coder", "reviewer": ":material/rate_review: Those who judge: reviewer, ranker, observer"}
SHOWN = 80           # messages, the newest


def draw(dialog: Conversation, height: int = 520, sides: bool = False) -> None:
    """In the order in which it was said, or in two columns: those who make, those who judge."""
    if not dialog.messages:
        st.caption("Nothing was said yet.")
        return
    if not sides:
        _draw_column(dialog, list(dialog.messages.values()), height, "all")
        return
    for column, (side, words) in zip(st.columns(2, gap="small"), COLUMNS.items(), strict=True):
        with column:
            st.caption(words)
            _draw_column(dialog, dialog.side(side), height, side)


def _draw_column(dialog: Conversation, messages: list[Message], height: int, name: str) -> None:
    with st.container(height=height, border=True, autoscroll=True, key=f"dialog-{name}"):
        if len(messages) > SHOWN and not st.toggle(f"{len(messages) - SHOWN} earlier messages", key=f"{name}-{dialog.stream}"):
            messages = messages[-SHOWN:]
        if not messages:
            st.caption("Nothing was said on this side yet.")
        for message in messages:
            with st.chat_message(message.role, avatar=ICONS.get(message.role, ":material/smart_toy:")):
                _draw_message(dialog, message, name)


def _draw_message(dialog: Conversation, message: Message, column: str) -> None:
    to = f"to the {message.to}" if message.to else ""
    st.caption(" · ".join(filter(None, [shell.plain(message.author), to, message.design, *_facts(message.facts)])))
    if message.reasoning:
        with st.expander("What it thought", icon=":material/psychology:", key=f"thought-{column}-{message.number}"):
            st.markdown(shell.prose(message.reasoning))
    for why in message.restarts[-3:]:
        st.caption(f":material/replay: begun again: {shell.plain(why)}")
    if message.text or message.open:
        st.markdown(shell.prose(readable(message.text) if message.key else message.text) + (" ▌" if message.open else ""))
    if message.cut:
        st.caption(":material/content_cut: cut off here; it is said again when the session goes on" if message.parts or message.restarts
                   else ":material/hourglass_empty: it has not spoken yet, and does when the session goes on")
    if message.tools:
        with st.container(horizontal=True, gap="small"):
            for n, tool in enumerate(message.tools):
                _draw_tool(tool, f"{message.number}-{n}")
    told = dialog.told(message)
    if told:
        _draw_told(told, message)


def _facts(facts: Json) -> list[str]:
    if not facts.get("model"):
        return []
    usage = facts.get("usage") or {}
    tokens = int(usage.get("input", 0)) + int(usage.get("output", 0))
    cached = f", {usage['cached']:,} cached" if usage.get("cached") else ""
    return [shell.plain(str(facts["model"])), f"{tokens:,} tokens{cached}", money(facts.get("money"))]


def money(amount: float | None) -> str:
    """An unknown price is no 0."""
    return "price unknown" if amount is None else shell.plain(Spent(money=amount).dollars)


def _draw_tool(tool: ToolUse, key: str) -> None:
    """A chip; what it was asked and what it found are sent to who opens it."""
    words = tool.arguments if len(tool.arguments) <= 30 else f"{tool.arguments[:29]}…"
    with st.popover(f"{shell.plain(tool.name)} {shell.plain(words)}" + ("" if tool.result is not None else " …"), icon=":material/handyman:", key=f"tool-{key}", on_change="rerun") as folded:
        if folded.open:
            st.code(tool.arguments, language="json", wrap_lines=True)
            st.code(tool.result or "it runs", language=None, wrap_lines=True, height=240 if len(tool.result or "") > 900 else "content")


def _draw_told(told: Json, message: Message) -> None:
    """Long, so it is sent only to who opens it."""
    size = sum(len(turn["text"]) for turn in told["turns"])
    with st.expander(f"What it was told: {size:,} characters", icon=":material/hearing:", key=f"told-{message.number}", on_change="rerun") as folded:
        if not folded.open:
            return
        shell.link("agents", f"{told['spec']}, revision {told['revision']}", ":material/smart_toy:", agent=told["spec"], revision=told["revision"])
        if told.get("guidance"):
            shell.link("agents", f"It carried {len(told['guidance'])} of what you taught", ":material/school:", tab="taught")
        for turn in told["turns"]:
            st.caption(turn["role"])
            st.code(turn["text"], language="markdown", wrap_lines=True, height=320 if len(turn["text"]) > 1200 else "content")
