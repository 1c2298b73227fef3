"""The librarian: before the first proposal of a session it looks for papers that bear on it; its notes are in every designer's prompt."""

from __future__ import annotations

from core.agents.base import Brief
from core.agents.speaker import Conversation, Opening, Setting
from core.agents.spec import AgentSpec


class Librarian:
    def __init__(self, spec: AgentSpec, setting: Setting) -> None:
        self.spec = spec
        self.setting = setting

    def notes(self, brief: Brief) -> str:
        """Markdown, two lines a paper."""
        def opening() -> Opening:
            return Opening(self.spec.render("system", about=self.spec.about), self.spec.render("search", brief=brief), rules=brief.rules)

        return Conversation(self.spec, self.setting, "papers", None, opening).say().strip()
