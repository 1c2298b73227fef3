"""A session's dialog, as the agents write it."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from core.store import Store
from core.types import Event

ICONS = {"designer": ":material/draw:", "reviewer": ":material/rate_review:", "coder": ":material/code:", "system": ":material/rule:",
         "person": ":material/person:"}
PHASES = {"proposing": "Proposing", "reviewing": "Reviewing", "waiting": "Waiting for you", "implementing": "Implementing", "closed": "Closed"}


@dataclass
class Message:
    author: str
    role: str
    design: str | None
    parts: list[str] = field(default_factory=list)
    open: bool = True

    @property
    def text(self) -> str:
        return "".join(self.parts)


@dataclass
class Dialog:
    messages: list[Message]
    phase: str
    note: str


def read(store: Store, session_id: str) -> Dialog:
    """Everything said so far."""
    messages: dict[int, Message] = {}
    phase, note, after = "", "", 0
    while events := store.events.since(f"session:{session_id}", after):
        for event in events:
            phase, note = _take(event, messages, phase, note)
        after = events[-1].id
    return Dialog(list(messages.values()), phase, note)


def _take(event: Event, messages: dict[int, Message], phase: str, note: str) -> tuple[str, str]:
    if event.kind == "phase":
        return event.data["phase"], event.data["note"]
    number = event.data["message"]
    if event.kind == "message":
        messages[number] = Message(event.author, event.data["role"], event.data["design"])
    elif number in messages and event.kind == "delta":
        messages[number].parts.append(event.data["text"])
    elif number in messages:
        messages[number].open = False
    return phase, note


def draw(dialog: Dialog, height: int = 520) -> None:
    if not dialog.messages:
        st.caption("Nothing was said yet.")
        return
    with st.container(height=height, border=True, autoscroll=True):
        for message in dialog.messages:
            with st.chat_message(message.role, avatar=ICONS.get(message.role, ":material/smart_toy:")):
                about = f" · {message.design}" if message.design else ""
                st.caption(f"{message.author}{about}")
                st.markdown(message.text + (" ▌" if message.open else ""))
