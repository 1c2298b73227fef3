"""Weights on this machine's disk, by transformers, in this process: for those who have a model and no server.

`local:/path/to/weights` (or the name of a model that the Hub's cache holds). One model at a time stays loaded; nothing is downloaded, no code of the
weights' folder is run. The prompt is laid out by the tokenizer's own chat template; a tokenizer without one gets roles and texts in plain words.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from core.errors import LanguageModelError, ModelUnknown, TimedOut, TooLong
from core.llm.base import Answer, Delta, Finish, Request, Usage
from core.llm.catalogue import Entry
from core.llm.watch import Line, watched


class LocalWire:
    def __init__(self, entry: Entry) -> None:
        self.name = entry.name
        self._lock = threading.Lock()     # one answer at a time: a second one would only slow both
        self._loaded: tuple[str, Any, Any] | None = None

    def stream(self, model: str, request: Request) -> Iterator[Delta | Answer]:
        return watched(lambda line: self._generate(line, model, request), request.deadline_s, _tell,
                       lambda: TimedOut(f"{model} was not done after {request.deadline_s:g} s on this machine", "raise the deadline, or take a smaller model", again=False))

    def _generate(self, line: Line, name: str, request: Request) -> Iterator[Delta | Answer]:
        import torch

        with self._lock:
            model, tokenizer = self._load(name)
            prompt = _prompt(tokenizer, request)
            ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=not tokenizer.chat_template).input_ids.to(model.device)
            room = getattr(model.config, "max_position_embeddings", None) or 10**9
            if ids.shape[1] >= room:
                raise TooLong(f"the prompt of {ids.shape[1]} tokens does not fit into {name}, which sees {room}", "shorten it, or take another model")
            torch.manual_seed(int(request.hash[:8], 16))
            yield from _decode(line, name, model, tokenizer, ids, request, min(request.max_tokens, room - ids.shape[1]))

    def _load(self, name: str) -> tuple[Any, Any]:
        if self._loaded and self._loaded[0] == name:
            return self._loaded[1:]
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._loaded = None               # the old one goes before the new one comes
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(name, local_files_only=True, dtype="auto")
        except (OSError, ValueError, KeyError) as error:
            raise ModelUnknown(f"no weights of a language model can be loaded from {name}: {str(error).splitlines()[0][:200]}",
                               "give local:/path/to/a/folder with config.json, weights and tokenizer") from error
        model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self._loaded = (name, model, tokenizer)
        return model, tokenizer


def _prompt(tokenizer: Any, request: Request) -> str:
    turns = [{"role": t.role, "content": t.text} for t in request.turns]
    if tokenizer.chat_template:
        return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return "\n\n".join(f"{t['role'].capitalize()}: {t['content']}" for t in turns) + "\n\nAssistant:"


def _decode(line: Line, name: str, model: Any, tokenizer: Any, ids: Any, request: Request, most: int) -> Iterator[Delta | Answer]:
    """One token after the other, with the model's cache; a piece of text leaves when its characters are whole."""
    import torch

    ends, given, said, past, step = _ends(model, tokenizer), [], "", None, ids
    finish = Finish.LENGTH
    for _ in range(most):
        if line.is_cut.is_set():
            return
        with torch.inference_mode():
            out = model(input_ids=step, past_key_values=past, use_cache=True)
        past = out.past_key_values
        token = _pick(out.logits[0, -1].float(), request.temperature)
        if token in ends:
            finish = Finish.STOP
            break
        given.append(token)
        step = torch.tensor([[token]], device=ids.device)
        text = tokenizer.decode(given, skip_special_tokens=True)
        if not text.endswith("\ufffd") and len(text) > len(said):
            yield Delta("text", text[len(said):])
            said = text
    text = tokenizer.decode(given, skip_special_tokens=True)
    if len(text) > len(said):
        yield Delta("text", text[len(said):])
    yield Answer(text, finish, Usage(ids.shape[1], len(given)), name)


def _pick(logits: Any, temperature: float | None) -> int:
    import torch

    if not temperature:
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits / temperature, -1), 1))


def _ends(model: Any, tokenizer: Any) -> set[int]:
    ends = getattr(model.generation_config, "eos_token_id", None)
    found = set(ends if isinstance(ends, list) else [ends])
    return {e for e in (*found, tokenizer.eos_token_id) if e is not None}


def _tell(error: BaseException) -> LanguageModelError:
    if isinstance(error, LanguageModelError):
        return error
    return LanguageModelError(f"the model on this machine failed: {type(error).__name__}: {str(error)[:200]}", "is there memory for it? take a smaller one")
