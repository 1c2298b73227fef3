"""The built-in coder: a proposal's unit tree becomes one gab.py."""

from __future__ import annotations

from core.agents.base import Task, Written
from core.agents.dialog import Dialog
from core.agents.spec import AgentSpec
from core.errors import UnitError
from core.gab.units import UnitLibrary


class ComposeCoder:
    def __init__(self, spec: AgentSpec, library: UnitLibrary) -> None:
        self.name = spec.name
        self.spec = spec
        self.library = library

    def implement(self, task: Task, dialog: Dialog) -> Written:
        """Raises UnitError when the tree does not compose, or names units that nobody has written."""
        proposal = task.proposal
        if proposal.new_units:
            raise UnitError(f"{proposal.design_id} needs {', '.join(u.name for u in proposal.new_units)} written", "choose a coder that is a language model, or write the gab.py yourself")
        if proposal.units is None:
            raise UnitError(f"{proposal.design_id} has no unit tree", "edit the proposal's units, or put its gab.py in by hand")
        library = self.library.extended(task.brief.own)
        library.validate(proposal.units)
        names = [node.unit for _, node in proposal.units.walk()]
        with dialog.message(self.name, "coder", proposal.design_id) as message:
            message.say(self.spec.render(
                "writing", about=self.spec.about, title=proposal.title, n_units=len(names), names=sorted(set(names))))
        summary = f"Proposed by {proposal.author}."
        return Written(library.compose(proposal.units, title=proposal.title, summary=summary), proposal.units)
