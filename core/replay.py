"""A session as a file, and a rerun from it without a call: the same answers to the same steps, whatever the session is called now.

    python -m core agents export SESSION > session.json
    python -m core replay session.json
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.llm.base import Answer, Delta, Request
from core.store import Store
from core.types import CallState, Json, Session

FORMAT = 1
KEPT = ("mode", "parents", "n_proposals", "n_implement", "instructions", "seed", "gate", "scale", "designer", "reviewer", "team")


def exported(store: Store, session: Session) -> Json:
    """Everything that a rerun needs: the session's settings, each stored answer by its step, and what tools said."""
    stream = f"session:{session.id}"
    answers = {step_of(call.key, session.id): call.answer for call in store.calls.of_stream(stream) if call.state is CallState.ANSWERED}
    settings = {name: getattr(session, name) for name in KEPT}
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
    return data


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
