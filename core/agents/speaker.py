"""One agent in one conversation with a language model: its turns recorded, its answers streamed into the dialog, its tools run, its JSON checked.

Everything that a turn said is on the stream before the model is asked, and every answer is stored under its key, so a conversation that was cut off
is gone through again at no cost until the first answer that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from core.agents.base import Guidance
from core.agents.dialog import Dialog, Message
from core.agents.spec import AgentSpec
from core.errors import LanguageModelError, ModelDiscoveryError, TooLong, Unusable, UsageError
from core.llm.base import Answer, Delta, Finish, Request, Schema, Tool, ToolCall, Turn
from core.llm.structured import parse_json
from core.types import Json

T = TypeVar("T")


class Asking(Protocol):
    """Whoever reaches the models: core/llm/caller.py, or a record of what they said."""

    def ask(self, models: str | Sequence[str], request: Request, *, key: str, stream: str, author: str, on_delta: Callable[[Delta], None],
            check_cancel: Callable[[], None], revision: str = "", design: str | None = None, run: str = "") -> Answer: ...

    def money(self, key: str) -> float | None:
        """US dollars that the key's answer cost, its failed tries included; None where a price is not known."""
        ...


class Toolbox(Protocol):
    def offered(self, names: Sequence[str]) -> tuple[Tool, ...]: ...

    def run(self, name: str, arguments: str) -> str:
        """The result as text; what went wrong is told as text too, since the model is to mend it."""
        ...


@dataclass(frozen=True)
class Setting:
    """What agents share within a session."""

    asking: Asking
    dialog: Dialog
    stream: str                      # the session's, e.g. "session:ab12cd"
    tools: Toolbox
    check_cancel: Callable[[], None]
    may_speak: Callable[[], None]    # asked before each call, never in the middle of one: raises Paused where a person has stopped the session
    carried: Callable[[Sequence[int], str, str | None], None]    # a prompt carries these records of people: (ids, conversation, design)
    words: Callable[[str], Sequence[tuple[int, str]]]   # role → what a person said to it or to all so far: (id of the decision, words)
    run: str = ""


@dataclass(frozen=True)
class Opening:
    """What a conversation begins with. `guidance`: ids of a person's records that the prompt carries, besides the rules'."""

    system: str
    user: str
    guidance: tuple[int, ...] = ()
    rules: Sequence[Guidance] = ()   # standing rules; those that the agent's own prompt leaves out are said after it


class Conversation:
    """`key` names it within the session, e.g. "ab12-1/propose"; `role` and `design` say who speaks about what on the screen."""

    def __init__(self, spec: AgentSpec, setting: Setting, key: str, design: str | None, opening: Callable[[], Opening], temperature: float | None = None,
                 models: Sequence[str] = ()) -> None:
        self.spec, self.setting, self.design = spec, setting, design
        self._asked = 0
        self.cut = False                     # whether the last answer ended because it was out of tokens
        self._base = key
        self.key = setting.dialog.anew(key)
        begun = setting.dialog.prompt(self.key, spec.name, lambda: self._record(opening(), tuple(models) or spec.models, temperature))
        self._heard = set(begun["heard"])
        self._asking = begun["asking"]       # as it was when it began: an agent that is edited meanwhile speaks anew in its next conversation
        self.guidance = tuple(begun["guidance"])
        self.turns = [Turn(t["role"], t["text"]) for t in begun["turns"]]

    # ------------------------------------------------------------------------------------------------ speaking

    def say(self, more: Callable[[], str] | str = "") -> str:
        """The model's text, after the tools it asked for; `more` is the next thing it is told."""
        return self._answered(more, None).text

    def object(self, schema: Schema, accept: Callable[[Json], T], more: Callable[[], str] | str = "") -> T:
        """The model's JSON as `accept` makes it. What the parser or `accept` refuses is told to the model, `limits: repairs` times at most."""
        for repair in range(self._asking["limits"]["repairs"] + 1):
            answer = self._answered(more, schema)
            try:
                if self.cut:  # what stands in it may be half of a sentence, or of a number
                    raise UsageError(f"the answer was cut off: it is longer than {self._room()} tokens", "say it in fewer words")
                return accept(parse_json(answer.text, schema))
            except LanguageModelError:
                raise
            except ModelDiscoveryError as error:
                refused = error
                more = self._refusal(error, repair)
        self.setting.dialog.give_up(self._base, self.spec.name)
        raise Unusable(f"{self.spec.name} gave no usable {schema.name} in {self._asking['limits']['repairs'] + 1} answers: {refused.what}",
                       "try again, take another model, or mend its prompt on the Agents page")

    # ------------------------------------------------------------------------------------------------ inside

    def _record(self, opening: Opening, models: Sequence[str], temperature: float | None) -> Json:
        """What a person said to the session, and the standing rules, are in the first turn, whether the opening has them or not."""
        words = list(self.setting.words(self.spec.role))
        user = "\n\n".join([opening.user, *(f"A standing rule of the researchers: {rule.text}" for rule in opening.rules if rule.text not in opening.user),
                            *(f"The researcher says: {said}" for _, said in words if said not in opening.user)])
        ids = list(dict.fromkeys([*(rule.id for rule in opening.rules), *opening.guidance, *(number for number, _ in words)]))
        self.setting.carried(ids, self.key, self.design)
        parameters = {**self.spec.parameters, **({} if temperature is None else {"temperature": temperature})}
        return {"turns": [{"role": "system", "text": opening.system}, {"role": "user", "text": user}], "spec": self.spec.name, "revision": self.spec.revision,
                "guidance": ids, "heard": [number for number, _ in words],
                "asking": {"models": list(models), "parameters": parameters, "tools": list(self.spec.tools), "limits": dict(self.spec.limits), "revision": self.spec.revision}}

    def _answered(self, more: Callable[[], str] | str, schema: Schema | None) -> Answer:
        if self._asked:
            self._tell(more)
        calls_left = self._asking["limits"]["tool_calls"]
        while True:
            key = f"{self.setting.stream}/{self.key}/{self._asked}"
            tools = self.setting.tools.offered(self._asking["tools"])     # named to the end: some providers refuse turns with calls of tools that are not
            choice = "none" if tools and calls_left <= 0 else "auto"
            answer = self._ask(key, Request(tuple(self.turns), tools, schema, tool_choice=choice, **self._asking["parameters"]), calls_left)
            self._asked += 1
            self.turns.append(answer.turn())
            if not answer.calls:
                return self._whole(answer)
            for call in answer.calls:
                self.turns.append(Turn("tool", self.setting.dialog.result(key, call.id) or "", call_id=call.id))
            if calls_left <= 0:  # a server that does not know tool_choice: what it says besides counts
                return self._whole(answer)
            calls_left -= len(answer.calls)

    def _ask(self, key: str, request: Request, calls_left: int) -> Answer:
        asking, dialog = self.setting.asking, self.setting.dialog
        self.setting.may_speak()
        with dialog.message(self.spec.name, self.spec.role, self.design, key) as message:
            try:
                answer = asking.ask(self._asking["models"], request, key=key, stream=self.setting.stream, author=self.spec.name, on_delta=lambda d: _show(message, d),
                                    check_cancel=self.setting.check_cancel, revision=self._asking["revision"], design=self.design, run=self.setting.run)
            except TooLong as error:  # nothing of an answer would be there to tell it
                message.say(f"*{error.what}*")
                raise
            message.facts = {"model": answer.model, "usage": vars(answer.usage), "money": asking.money(key)}
            message.flush()
            if not message.text and answer.text:  # it came from the record, whole
                message.say(answer.text)
            for n, call in enumerate(answer.calls):
                self._run_tool(message, key, call, n < calls_left)
        return answer

    def _run_tool(self, message: Message, key: str, call: ToolCall, allowed: bool) -> None:
        if self.setting.dialog.result(key, call.id) is not None:
            return
        message.call(call.name, call.arguments)
        text = self.setting.tools.run(call.name, call.arguments) if allowed else "no tool calls are left: answer with what you know"
        message.result(key, call.id, text)
        self.setting.dialog.note_result(key, call.id, text)

    def _tell(self, more: Callable[[], str] | str) -> None:
        """The next user turn, with what a person said meanwhile; recorded, so that it reads the same after a restart."""
        def make() -> Json:
            new = [(number, words) for number, words in self.setting.words(self.spec.role) if number not in self._heard]
            said = [more() if callable(more) else more, *(f"The researcher says: {words}" for _, words in new)]
            ids = [number for number, _ in new]
            self.setting.carried(ids, self.key, self.design)
            return {"turns": [{"role": "user", "text": "\n\n".join(filter(None, said))}], "spec": self.spec.name, "revision": self.spec.revision, "guidance": ids, "heard": ids}

        told = self.setting.dialog.prompt(f"{self.key}/{self._asked}", self.spec.name, make)
        self._heard |= set(told["heard"])
        self.turns += [Turn(t["role"], t["text"]) for t in told["turns"]]

    def _refusal(self, error: ModelDiscoveryError, n: int) -> str:
        return f"That cannot be used: {error}\n\nGive the whole answer again, mended." + ("" if n else " Keep what was right.")

    def _whole(self, answer: Answer) -> Answer:
        if answer.finish is Finish.REFUSED:
            self.setting.dialog.give_up(self._base, self.spec.name)
            raise Unusable(f"{answer.model} refused to answer {self.spec.name}", "reword the instructions, or take another model")
        if answer.finish is Finish.LENGTH and not answer.text.strip():
            self.setting.dialog.give_up(self._base, self.spec.name)
            raise Unusable(f"{answer.model} spent all of its {self.spec.parameters.get('max_tokens', 'allowed')} tokens before it said anything",
                                     f"raise parameters: max_tokens of the agent {self.spec.name}, or lower its effort")
        self.cut = answer.finish is Finish.LENGTH
        return answer

    def _room(self) -> object:
        return self._asking["parameters"].get("max_tokens", "the allowed")


def _show(message: Message, delta: Delta) -> None:
    if delta.kind == "restart":
        message.restart(delta.text)
    elif delta.kind in ("text", "reasoning"):
        message.stream(delta.text, delta.kind)
