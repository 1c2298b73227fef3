"""Our model as an lm-eval LM. What is scored follows lm-eval's own `hf` model, request by request, so that both give the same scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.utils import get_rolling_token_windows
from tokenizers import Tokenizer

from core.errors import VerificationError
from core.verification.evaluation.reader import Reading

END_ID = 0
MAX_NEW = 256                # tokens of a generation that names no limit: lm-eval's default
AT_ONCE = 64                 # texts that are generated side by side


class TextReader(Protocol):
    """What a Reader offers to a task."""

    context: int

    def read(self, windows: Sequence[np.ndarray], first: Sequence[int] | None = None) -> list[Reading]: ...

    def following(self, prefixes: Sequence[np.ndarray]) -> np.ndarray: ...


class ReaderLM(LM):
    """An lm-eval model over a reader. `end_id` is the end-of-text token, which stands for an empty context."""

    def __init__(self, reader: TextReader, tokenizer: Tokenizer, end_id: int = END_ID) -> None:
        super().__init__()
        self.reader = reader
        self.tokenizer = tokenizer
        self.end_id = end_id

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """(log p of the continuation given the context, whether it is what greedy decoding gives). What is too long loses its beginning."""
        pairs = self._pairs([request.args for request in requests])
        scored = [i for i, (_, continuation) in enumerate(pairs) if continuation]
        windows = [np.asarray([*pairs[i][0], *pairs[i][1]][-(self.reader.context + 1):], np.int64) for i in scored]
        first = [max(1, len(window) - len(pairs[i][1])) for i, window in zip(scored, windows, strict=True)]
        out = [(0.0, True)] * len(pairs)  # of nothing
        for i, reading in zip(scored, self.reader.read(windows, first), strict=True):
            out[i] = -float(reading.nats.sum()), bool(reading.greedy.all())
        return out

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = True) -> list[float]:
        """log p of each whole text: windows of the full context, each token predicted once, the last window filled up with what stands before it."""
        ids = self._encoded({request.args[0] for request in requests})
        windows, first, owner = [], [], []
        for i, request in enumerate(requests):
            for given, wanted in get_rolling_token_windows(ids[request.args[0]], self.end_id, self.reader.context, 1):
                windows.append(np.asarray([*given, wanted[-1]], np.int64))
                first.append(len(given) + 1 - len(wanted))
                owner.append(i)
        nats = [reading.nats.sum() for reading in self.reader.read(windows, first)]
        return (-np.bincount(owner, nats, len(requests))).tolist() if nats else [0.0] * len(requests)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Greedy decoding, up to the first stop word or the limit. Raises VerificationError where a task wants sampling."""
        prompts = [_Text(self._prompt(context, settings), *limits(settings, self.tokenizer.decode([self.end_id], skip_special_tokens=False)))
                   for context, settings in (request.args for request in requests)]
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i].ids))
        for start in range(0, len(order), AT_ONCE):
            self._generate([prompts[i] for i in order[start : start + AT_ONCE]])
        return [prompt.text for prompt in prompts]

    def _generate(self, texts: list[_Text]) -> None:
        """Extend each until it is done. Each step reads the whole text again: an arbitrary block has no cache."""
        going = [t for t in texts if t.limit > 0]
        while going:
            tokens = self.reader.following([np.asarray(t.ids[-self.reader.context:], np.int64) for t in going])
            for text, token in zip(going, tokens.tolist(), strict=True):
                text.add(token, self.tokenizer, self.end_id)
            going = [t for t in going if not t.done]

    def _prompt(self, context: str, settings: Mapping[str, Any]) -> list[int]:
        """The end of the context that leaves room for what is generated, as far as there is room."""
        ids = self._ids(context) or [self.end_id]
        room = self.reader.context - _new_tokens(settings)
        return ids[-room:] if room > 0 else ids[-self.reader.context:]

    def _pairs(self, texts: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """(context, continuation) in tokens. Spaces that end a context belong to the continuation, where the tokenizer expects them; the border is where
        the context alone would end."""
        split = [(context.rstrip(), context[len(context.rstrip()) :] + continuation) for context, continuation in texts]
        ids = self._encoded({c for c, _ in split} | {c + t for c, t in split})
        out = []
        for context, continuation in split:
            whole = ids[context + continuation]
            if context:
                out.append((ids[context], whole[len(ids[context]) :]))
            elif whole[:1] == [self.end_id]:
                out.append((whole[:1], whole[1:]))
            else:
                out.append(([self.end_id], whole))
        return out

    def _encoded(self, texts: Iterable[str]) -> dict[str, list[int]]:
        texts = list(texts)
        return dict(zip(texts, (e.ids for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)), strict=True))

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids


@dataclass
class _Text:
    """One text that is being generated."""

    ids: list[int]
    limit: int
    until: list[str]
    made: int = 0
    text: str = ""
    done: bool = False

    def add(self, token: int, tokenizer: Tokenizer, end_id: int) -> None:
        if token == end_id:
            self.done = True
            return
        self.ids.append(token)
        self.made += 1
        self.text = tokenizer.decode(self.ids[-self.made :])
        cuts = [self.text.index(stop) for stop in self.until if stop in self.text]
        if cuts:
            self.text = self.text[: min(cuts)]
        self.done = bool(cuts) or self.made >= self.limit


def _new_tokens(settings: Mapping[str, Any]) -> int:
    named = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
    return int(next((settings[name] for name in named if settings.get(name) is not None), MAX_NEW))


def limits(settings: Mapping[str, Any], end: str) -> tuple[int, list[str]]:
    """(tokens at most, the words that stop it)."""
    if settings.get("do_sample") and float(settings.get("temperature", 1.0)) > 0:
        raise VerificationError(f"a task asks for sampled text: {dict(settings)}", "set do_sample: false in its generation_kwargs; decoding here is greedy")
    until = settings.get("until") or []
    return _new_tokens(settings), [stop for stop in ([until] if isinstance(until, str) else [*until, end]) if stop]
