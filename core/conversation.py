"""A session's events as a conversation that can be drawn: core/agents/dialog.py says what the events are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.store import Store
from core.types import SIDES, Event, Json


@dataclass
class ToolUse:
    name: str
    arguments: str
    result: str | None = None        # None while it runs


@dataclass
class Message:
    number: int
    author: str
    role: str
    design: str | None
    key: str = ""                    # of the call to a model, "" where there is none
    parts: list[tuple[str, str]] = field(default_factory=list)   # (text or reasoning, words)
    tools: list[ToolUse] = field(default_factory=list)
    restarts: list[str] = field(default_factory=list)            # why what was said was cut off, each time
    facts: Json = field(default_factory=dict)                    # model, usage, money, once it is complete
    open: bool = True
    repeats: bool = False            # the program's word that a reviewer repeats itself
    cut: bool = False                # it ended before it was complete; said again, it stands in its own place
    to: str = ""                     # a person's words: which side of the table they are for, "" for all

    @property
    def text(self) -> str:
        return "".join(words for kind, words in self.parts if kind == "text")

    @property
    def reasoning(self) -> str:
        return "".join(words for kind, words in self.parts if kind == "reasoning")


@dataclass
class Conversation:
    stream: str
    messages: dict[int, Message] = field(default_factory=dict)
    prompts: dict[str, Json] = field(default_factory=dict)
    phase: str = ""
    note: str = ""
    account: str = ""                # whose budget it waits for
    after: int = 0                   # the last event that was read

    def side(self, side: str) -> list[Message]:
        """What the makers or the judges (a key of SIDES) said, and what was said to them."""
        return [m for m in self.messages.values() if side in _sides(m)]

    def told(self, message: Message) -> Json | None:
        """What was new to the agent before it said this."""
        conversation, _, number = message.key.removeprefix(f"{self.stream}/").rpartition("/")
        return self.prompts.get(conversation if number == "0" else f"{conversation}/{number}") if message.key else None


def _sides(message: Message) -> tuple[str, ...]:
    if message.role == "person":
        return (message.to,) if message.to else tuple(SIDES)
    return tuple(side for side, roles in SIDES.items() if message.role in roles) or ("reviewer" if message.repeats else "designer",)


def read(store: Store, stream: str, known: Conversation | None = None) -> Conversation:
    """Everything said so far; what is `known` already is not read again."""
    found = known or Conversation(stream)
    while events := store.events.since(stream, found.after):
        for event in events:
            _take(event, found)
        found.after = events[-1].id
    return found


def _take(event: Event, into: Conversation) -> None:
    data = event.data
    if event.kind == "phase":
        into.phase, into.note, into.account = data["phase"], data["note"], data.get("account", "")
    elif event.kind == "prompt":
        into.prompts[data["key"]] = data
    elif event.kind == "stuck":
        words = f"**The reviewer repeats itself** ({'again, after it was shown that it does: judge this one yourself' if data['times'] == 2 else 'it was asked again'}): {data['why']}."
        into.messages[-event.id] = Message(-event.id, "system", "system", data["design"], parts=[("text", words)], open=False, repeats=True)
    elif event.kind == "passed_over":
        words = f"**No usable proposal here**; the session goes on with the others: {data['why']}"
        into.messages[-event.id] = Message(-event.id, "system", "system", data["design"], parts=[("text", words)], open=False)
    elif event.kind == "message":
        before = into.messages.get(data["message"])
        kept = [tool for tool in before.tools if tool.result is not None] if before else []
        into.messages[data["message"]] = Message(data["message"], event.author, data["role"], data["design"], data.get("key", ""), tools=kept,
                                                 restarts=before.restarts if before else [], to=data.get("to", ""))
    elif message := into.messages.get(data.get("message", 0)):
        _add(event.kind, data, message)


def _add(kind: str, data: Mapping[str, object], message: Message) -> None:
    if kind == "delta":
        message.parts.append((str(data.get("kind", "text")), str(data["text"])))
    elif kind == "restart":
        message.parts.clear()
        message.restarts.append(str(data["why"]))
    elif kind == "call":
        message.tools.append(ToolUse(str(data["name"]), str(data["arguments"])))
    elif kind == "result" and message.tools:
        message.tools[-1].result = str(data["text"])
    elif kind == "message_end":
        message.open, message.cut = False, bool(data.get("cut"))
        message.facts = {k: v for k, v in data.items() if k in ("model", "usage", "money")}
