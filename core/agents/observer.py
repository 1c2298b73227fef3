"""The observer: reads code against its proposal, and says unit by unit what was promised and is not there."""

from __future__ import annotations

from collections.abc import Sequence

from core.agents.base import Task
from core.agents.drafts import TEXT, list_of, object_of
from core.agents.speaker import Conversation, Opening, Setting
from core.agents.spec import AgentSpec
from core.errors import UsageError
from core.llm.base import Schema
from core.types import Json

OBSERVED = Schema("observation", object_of({"faithful": {"type": "boolean"}, "remarks": list_of(object_of({"unit": TEXT, "remark": TEXT})), "summary": TEXT}))


class Observer:
    def __init__(self, spec: AgentSpec, setting: Setting) -> None:
        self.spec = spec
        self.setting = setting

    def remarks(self, task: Task, code: str, units: Sequence[str]) -> dict[str, list[str]]:
        """New unit → what does not follow the proposal; empty where all does."""
        def opening() -> Opening:
            return Opening(self.spec.render("system", about=self.spec.about), self.spec.render("observe", proposal=task.proposal, code=code, units=units, rules=task.rules), rules=task.rules)

        def accept(data: Json) -> dict[str, list[str]]:
            wrong = [r["unit"] for r in data["remarks"] if r["unit"] not in units]
            if wrong:
                raise UsageError(f"{wrong[0]!r} is none of the new units", f"remark on {', '.join(units) or 'nothing'} only")
            found: dict[str, list[str]] = {}
            for remark in () if data["faithful"] else data["remarks"]:
                found.setdefault(remark["unit"], []).append(remark["remark"])
            return found

        return Conversation(self.spec, self.setting, f"{task.proposal.design_id}/observe{task.turn}", task.proposal.design_id, opening).object(OBSERVED, accept)
