"""A session as a file, and a rerun from it without a call: the same answers to the same steps, whatever the session is called now.

    python -m core agents export SESSION > session.json
    python -m core replay session.json
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.llm.base import Answer, Delta, Request
from core.store import Store
from core.types import CallState, Json, Mode, Session

FORMAT = 1
TEXT = (lambda value: isinstance(value, str), "a text")
NUMBER = (lambda value: type(value) is int and value >= 0, "a whole number")
FORM: Mapping[str, tuple[Callable[[Any], bool], str]] = {   # of a session that is kept: each setting, and what it may be
    "mode": (lambda value: value in list(Mode), "one of " + ", ".join(Mode)),
    "parents": (lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value), "a list of designs"),
    "n_proposals": (lambda value: NUMBER[0](value) and value > 0, "a positive whole number"), "n_implement": NUMBER, "instructions": TEXT, "seed": NUMBER,
    "gate": (lambda value: value in ("ask", "auto"), "ask or auto"), "scale": TEXT, "designer": TEXT, "reviewer": TEXT,
    "team": (lambda value: isinstance(value, dict), "a mapping from roles to agents"),
}


def exported(store: Store, session: Session) -> Json:
    """Everything that a rerun needs: the session's settings, each stored answer by its step, and what tools said."""
    stream = f"session:{session.id}"
    answers = {step_of(call.key, session.id): call.answer for call in store.calls.of_stream(stream) if call.state is CallState.ANSWERED}
    settings = {name: getattr(session, name) for name in FORM}
    return {"format": FORMAT, "session": session.id, "settings": {**settings, "mode": str(session.mode), "parents": list(session.parents)}, "answers": answers}


def step_of(key: str, session_id: str) -> str:
    """A key without the session's own id: what a step is called in every session."""
    return key.replace(f"session:{session_id}/", "").replace(f"{session_id}-", "#")


def read_export(path: Path) -> Json:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no exported session: {error}", "python -m core agents export SESSION > FILE") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("answers"), dict) or not isinstance(data.get("settings"), dict) or not isinstance(data.get("session"), str):
        raise UsageError(f"{path} is no exported session of this format", "export it again with this version")
    wrong = next(_wrong(data), "")
    if wrong:
        raise UsageError(f"{path} is damaged: {wrong}", "export it again")
    return data


def _wrong(data: Json) -> Iterator[str]:
    settings = data["settings"]
    for name, (fits, words) in FORM.items():
        if name not in settings:
            yield f"settings.{name} is missing"
        elif not fits(settings[name]):
            yield f"settings.{name} is {str(settings[name])[:60]!r}, not {words}"
    for name in set(settings) - set(FORM):
        yield f"settings.{name} is not known"
    for step, answer in data["answers"].items():
        try:
            Answer.from_dict(answer)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            yield f"the answer to {step} is none ({type(error).__name__}: {error})"


class Replayed:
    """Answers from a record, for whoever asks a language model. Nothing is called, nothing is paid."""

    def __init__(self, record: Json, session_id: str) -> None:
        self._answers: Mapping[str, Any] = record["answers"]
        self._then = f"{record['session']}-"
        self._session = session_id

    def ask(self, models: str | Sequence[str], request: Request, *, key: str, stream: str, author: str, on_delta: Callable[[Delta], None],
            check_cancel: Callable[[], None], revision: str = "", design: str | None = None, run: str = "") -> Answer:
        check_cancel()
        step = step_of(key, self._session)
        if step not in self._answers:
            raise UsageError(f"the record has no answer to the step {step}", "the program, its library or the checks differ from those it was recorded with; rerun it with a model")
        answer = Answer.from_dict(self._answers[step])
        answer = replace(answer, text=answer.text.replace(self._then, f"{self._session}-"))    # what it says of the session's own designs
        for kind, text in (("reasoning", answer.reasoning), ("text", answer.text)):
            if text:
                on_delta(Delta(kind, text))
        return answer

    def money(self, key: str) -> float | None:
        return 0.0
