"""The coder that is a language model: the new units of a proposal one by one from the top of its tree, each checked in the sandbox as soon as it is written.

A unit is tried inside the proposal's own tree, with known units standing in for those that are not written yet. What the check says, prints included, is fed
back; the answer is the whole unit or search/replace blocks. Attempts are limited, the best state is kept, and units that passed stay when another gives up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from core.agents.base import Task, Written
from core.agents.dialog import Dialog
from core.agents.observer import Observer
from core.agents.patches import apply, code_in, edits_in
from core.agents.speaker import Conversation, Opening, Setting
from core.agents.spec import AgentSpec
from core.agents.vocabulary import vocabulary
from core.checker.repair import repaired_unit
from core.errors import DesignError, ModelDiscoveryError, UnitError, Unusable, UsageError
from core.gab.declared import class_name, read_written, standing_in, with_declared
from core.gab.decompose import decompose
from core.gab.units import UnitInfo, UnitLibrary
from core.types import CheckReport, NewUnit, UnitTree

ORDER = ("format", "build", "forward", "repeatable", "batch", "backward", "start", "agreement", "types", "saved", "causality", "cost")


@dataclass(frozen=True)
class Attempt:
    source: str
    info: UnitInfo | None            # None where it cannot be read as a unit
    report: CheckReport | None       # None where it was not run
    told: str                        # what is wrong, for the model; "" where nothing is
    mended: tuple[str, ...] = ()     # what was wrong with its form, and was put right by syntax

    @property
    def far(self) -> int:
        """How many checks it came through."""
        return -1 if self.info is None else 0 if self.report is None else sum(r.verdict != "fail" for r in self.report.results)


class ModelCoder:
    """`debugger`: the spec that mends; the coder itself where the team has none. `observer` compares the code with the proposal."""

    def __init__(self, spec: AgentSpec, library: UnitLibrary, setting: Setting, debugger: AgentSpec | None = None, observer: Observer | None = None) -> None:
        self.name = spec.name
        self.spec = spec
        self.library = library
        self.setting = setting
        self.debugger = debugger or spec
        self.observer = observer
        self.attempts = int(spec.settings.get("attempts", 6))

    def implement(self, task: Task, dialog: Dialog) -> Written:
        """The code as far as it came. Raises UnitError for a proposal without a tree, LanguageModelError where no model answers."""
        proposal = task.proposal
        if proposal.units is None:
            raise UnitError(f"{proposal.design_id} has no unit tree", "edit the proposal's units, or put its gab.py in by hand")
        self.library = self.library.extended(task.brief.own)
        new = {unit.name: unit for unit in proposal.new_units}
        done: dict[str, UnitInfo] = {}
        for name, source in task.kept.items():
            if name in new:
                with suppress(UnitError):    # it is no longer what is declared: it is written anew
                    done[name] = read_written(source, new[name])
        best: dict[str, Attempt] = {}
        for name in top_down(proposal.units, new):
            if name not in done and all(above in done for above in above_it(proposal.units, name) if above in new):
                best[name] = self._unit(task, new[name], done, new)
                if best[name].info is not None and not best[name].told:
                    done[name] = best[name].info
        written = self._composed(task, new, done, best)
        return self._observed(task, new, done, written) if self.observer and not written.note else written

    # ------------------------------------------------------------------------------------------ one unit

    def _unit(self, task: Task, unit: NewUnit, done: Mapping[str, UnitInfo], new: Mapping[str, NewUnit], remarks: Sequence[str] = (), before: str = "") -> Attempt:
        """The best of `attempts`; the first that passes ends it."""
        key = f"{task.proposal.design_id}/code{task.turn}/{unit.name}" + ("/observed" if remarks else "")
        talk = Conversation(self.spec, self.setting, key, task.proposal.design_id, lambda: self._opening(task, unit, done, remarks, before))
        try:
            best = self._tried(task, unit, self._taken(talk.say(), before, talk.cut), done, new)
        except UsageError as error:
            best = Attempt(before, None, None, str(error))
        except Unusable as error:  # this unit is not written this time; the others are
            return self._given_up(Attempt(before, None, None, ""), error, unit, f"{key}/1", task)
        self._tell(best, unit, f"{key}/1", task)
        current = best
        for n in range(1, self.attempts):
            if not best.told:
                break
            try:
                if self.debugger is not self.spec and n == 1:
                    talk = self._debugging(task, unit, current, key)
                    answer = talk.say()
                else:
                    wrong = current.told
                    answer = talk.say(lambda wrong=wrong: self.debugger.render("again", told=wrong))
            except Unusable as error:
                return self._given_up(best, error, unit, f"{key}/{n + 1}", task)
            try:
                current = self._tried(task, unit, self._taken(answer, current.source, talk.cut), done, new)
            except UsageError as error:  # an edit that does not apply changes nothing
                current = replace(current, told=str(error), mended=())
                self._tell(current, unit, f"{key}/{n + 1}", task)
                continue
            self._tell(current, unit, f"{key}/{n + 1}", task)
            if not current.told or current.far >= best.far:
                best = current
        return best

    def _given_up(self, best: Attempt, error: Unusable, unit: NewUnit, key: str, task: Task) -> Attempt:
        """`best`, with why nothing better came."""
        ended = replace(best, told=f"{error}\n{best.told}".strip())
        self._tell(ended, unit, key, task)
        return ended

    def _opening(self, task: Task, unit: NewUnit, done: Mapping[str, UnitInfo], remarks: Sequence[str], before: str) -> Opening:
        examples = [self.library.info(name).source for name in self.spec.settings.get("examples", ()) if name in self.library.names()]
        alike = [name for name in self.library.names(unit.kind) if self.library.info(name).source][:2]
        system = self.spec.render("system", about=self.spec.about, units=vocabulary(self.library), examples=examples)
        user = self.spec.render("unit", unit=unit, cls=class_name(unit.name), proposal=task.proposal, done=list(done.values()), remarks=remarks, before=before,
                                alike=[self.library.info(name).source for name in alike], rules=task.rules)
        return Opening(system, user, rules=task.rules)

    def _debugging(self, task: Task, unit: NewUnit, current: Attempt, key: str) -> Conversation:
        def opening() -> Opening:
            system = self.debugger.render("system", about=self.debugger.about)
            user = self.debugger.render("mend", unit=unit, cls=class_name(unit.name), source=current.source, told=current.told, proposal=task.proposal, rules=task.rules)
            return Opening(system, user, rules=task.rules)

        return Conversation(self.debugger, self.setting, f"{key}/mend", task.proposal.design_id, opening)

    def _taken(self, answer: str, before: str, cut: bool = False) -> str:
        """The unit's source after an answer. Raises UsageError where an edit does not apply, or the answer is `cut` off."""
        if cut:  # what is there may be read as code, and lack its last lines
            raise UsageError("the answer was cut off: it is too long", "think less aloud: give the code and nothing else, or only the edits")
        edits = edits_in(answer)
        if edits and before:
            return apply(before, edits)
        return code_in(answer) or ""

    def _tried(self, task: Task, unit: NewUnit, source: str, done: Mapping[str, UnitInfo], new: Mapping[str, NewUnit]) -> Attempt:
        if not source.strip():
            return Attempt("", None, None, "There is no code in the answer: give the whole unit in one ```python block.")
        source, repairs = repaired_unit(source, class_name(unit.name))
        try:
            info = read_written(source, unit)
            code = self._code(task, {**done, unit.name: info}, new)
        except DesignError as error:
            return Attempt(source, None, None, _with_form(str(error), repairs, source), tuple(repairs))
        self.setting.check_cancel()
        report = task.check(code)
        return Attempt(source, info, report, "" if report.passed else _with_form(failures(report), repairs, source), tuple(repairs))

    def _tell(self, attempt: Attempt, unit: NewUnit, key: str, task: Task) -> None:
        """What came of it, on the screen."""
        with self.setting.dialog.message("checker", "system", task.proposal.design_id, f"{self.setting.stream}/{key}/checked") as message:
            form = f"Its form was mended: {'; '.join(attempt.mended)}.\n\n" if attempt.mended else ""
            message.say(form + (f"`{unit.name}` is not right yet.\n\n{attempt.told}" if attempt.told else f"✓ `{unit.name}` passes."))

    # ------------------------------------------------------------------------------------------ the whole

    def _code(self, task: Task, done: Mapping[str, UnitInfo], new: Mapping[str, NewUnit]) -> str:
        """gab.py of the tree with what is written, known units standing in for the rest."""
        unwritten = [name for name in new if name not in done]
        library = with_declared(self.library, [new[n] for n in unwritten]).extended(done.values())
        tree = standing_in(task.proposal.units, unwritten, library)
        return library.compose(tree, task.proposal.title, f"Proposed by {task.proposal.author}.")

    def _composed(self, task: Task, new: Mapping[str, NewUnit], done: Mapping[str, UnitInfo], best: Mapping[str, Attempt]) -> Written:
        """All units together; with the last state of one that did not come right, where there is one that can be read."""
        missing = [name for name in new if name not in done]
        shown = {**done, **{name: best[name].info for name in missing if best[name].info is not None}}
        kept = {name: source_of(info) for name, info in done.items()}
        code = self._code(task, shown, new)
        note = "; ".join(f"{name}: {best[name].told.splitlines()[0] if name in best else 'not begun, since what stands above it is not right'}" for name in missing)
        absent = [name for name in new if name not in shown]
        if absent:  # known units stand in for them: it must never pass for the design
            code += _unfinished(absent)
        return Written(code, None if note else task.proposal.units, kept, note)

    def _observed(self, task: Task, new: Mapping[str, NewUnit], done: dict[str, UnitInfo], written: Written) -> Written:
        """The observer's remarks are worked in once, unit by unit; what breaks the check is not taken."""
        assert self.observer is not None
        try:
            remarked = self.observer.remarks(task, written.code, list(new))
        except Unusable:  # said in its dialog; what passed the check stands
            return written
        for name, remarks in remarked.items():
            others = {n: info for n, info in done.items() if n != name}
            attempt = self._unit(task, new[name], others, new, remarks, source_of(done[name]))
            if attempt.info is not None and not attempt.told:
                done[name] = attempt.info
        return self._composed(task, new, done, {})


def _with_form(told: str, repairs: Sequence[str], source: str) -> str:
    """Whoever mends by edits must know the text as it is now."""
    return f"{told}\n\nThe form was mended already ({'; '.join(repairs)}); the unit now reads:\n\n```python\n{source}\n```" if repairs else told


def _unfinished(absent: Sequence[str]) -> str:
    words = f"not written yet, known units stand in for: {', '.join(absent)}"
    return f"\n\nraise NotImplementedError({words!r})\n"


def above_it(tree: UnitTree, name: str) -> set[str]:
    """The units on the ways from the root to `name`."""
    return {tree.at(path[:n]).unit for path, node in tree.walk() if node.unit == name for n in range(len(path))}


def top_down(tree: UnitTree, names: Mapping[str, object]) -> list[str]:
    """The new units, those nearer the root first: what stands above a unit is written when it is tried."""
    return list(dict.fromkeys(node.unit for _, node in sorted(tree.walk(), key=lambda found: len(found[0])) if node.unit in names))


def source_of(info: UnitInfo) -> str:
    """A unit's text as `read_written` takes it."""
    import ast

    return "\n".join([*(ast.unparse(node) for node in info.imports), "", *info.helpers, "", info.source, ""])


def failures(report: CheckReport) -> str:
    """What is wrong, in words that a model can act on: without times, which would differ the next time."""
    lines = [f"- {r.name}: {r.evidence}" + (f"\n  mend: {r.mend}" if r.mend else "") + (f"\n  it printed:\n{r.output[:1500]}" if r.output else "") for r in report.failures]
    if report.repaired:
        lines.append("The checker could mend the form of it, as shown above; take that over.")
    passed = ", ".join(r.name for r in report.results if r.verdict == "pass")
    return "\n".join(lines + ([f"It passed: {passed}."] if passed else []))


def own_units(code: str, library: UnitLibrary) -> tuple[UnitInfo, ...]:
    """Units that a gab.py brings along; none where it is no tree."""
    try:
        found = decompose(code, library)
    except ModelDiscoveryError:
        return ()
    return () if found.flat else tuple(info for info in found.library.own if info not in library.own)


Check = Callable[[str], CheckReport]
