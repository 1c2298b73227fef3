"""A scripted researcher behind the stub: proposes, reviews, writes units that are wrong in typical ways, and mends them if it is told what is wrong.

It mends a fault only when the words it is told name it (`Fault.hints`), so that what the checker says is put to the test, too.
"""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stub_llm.words import Asked, Call, Reply

RIGHT = '''
import torch
from torch import Tensor, nn

from core.gab import GAUBase


class {cls}(GAUBase):
    """The mean of all tokens so far, gated by the token itself (a causal form of average pooling)."""

    kind = "mixer"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, share: float = 1.0):
        super().__init__(embed_dim, block_loc)
        to = {{"device": device, "dtype": dtype}}
        self.share = share
        self.value = nn.Linear(embed_dim, embed_dim, bias=False, **to)
        self.gate = nn.Linear(embed_dim, embed_dim, bias=False, **to)
        self.out = nn.Linear(embed_dim, embed_dim, bias=False, **to)

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        count = torch.arange(1, X.shape[1] + 1, device=X.device, dtype=X.dtype)[:, None]
        mean = self.value(X).cumsum(1) / count
        return self.out(mean * torch.sigmoid(self.gate(X))) * self.share
'''


@dataclass(frozen=True)
class Fault:
    """A typical mistake: what becomes of the right code, and the words (any of them) by which the researcher understands what is wrong."""

    name: str
    wrong: Sequence[tuple[str, str]]
    hints: Sequence[str]
    rounds: int = 1                  # how often it has to be told
    edits: bool = False              # mended by search/replace, not written anew


FAULTS = (
    Fault("syntax", (("super().__init__(embed_dim, block_loc)", "super().__init__(embed_dim, block_loc"),), ("'(' was never closed", "syntax")),
    Fault("class name", (("class {cls}(GAUBase)", "class Mixer(GAUBase)"),), ("class",)),
    Fault("no docstring", (('    """The mean of all tokens so far, gated by the token itself (a causal form of average pooling)."""\n', ""),), ("docstring",), edits=True),
    Fault("wrong kind", (('kind = "mixer"', 'kind = "attention"'),), ("kind",), edits=True),
    Fault("missing import", (("from torch import Tensor, nn", "from torch import Tensor"),), ("nn",)),
    Fault("no super().__init__", (("        super().__init__(embed_dim, block_loc)\n", ""),), ("super", "__init__")),
    Fault("forward overridden", (("def _forward", "def forward"),), ("_forward",)),
    Fault("wrong shape", (("return self.out(mean * torch.sigmoid(self.gate(X))) * self.share", "return self.out(mean * torch.sigmoid(self.gate(X)))[:, -1]"),), ("shape",), edits=True),
    Fault("reads ahead", (("mean = self.value(X).cumsum(1) / count", "mean = self.value(X).mean(1, keepdim=True) + 0 * count"),), ("causal", "future", "later")),
    Fault("size of the length", (("self.share = share", "self.share = share\n        self.position = nn.Parameter(torch.zeros(64, embed_dim, **to))"),
                                 ("return self.out(mean", "mean = mean + self.position\n        return self.out(mean")), ("size of tensor", "length", "shape"), edits=True),
    Fault("idle parameter", (("self.share = share", "self.share = share\n        self.idle = nn.Linear(embed_dim, embed_dim, **to)"),), ("idle", "gradient")),
    Fault("mixes the batch", (("mean = self.value(X).cumsum(1) / count", "mean = self.value(X).cumsum(1) / count\n        mean = mean - mean.mean(0, keepdim=True)"),), ("batch",)),
    Fault("random", (("mean = self.value(X).cumsum(1) / count", "mean = nn.functional.dropout(self.value(X), 0.1, True).cumsum(1) / count"),), ("repeat", "same input", "random", "differ")),
    Fault("no number", (("mean = self.value(X).cumsum(1) / count", "mean = torch.log(self.value(X)).cumsum(1) / count"),), ("finite", "nan"), rounds=2),
    Fault("hyperparameter forgotten", ((", *, share: float = 1.0", ""), ("        self.share = share\n", ""), (" * self.share", "")), ("hyperparameter", "share")),
)


def right(cls: str) -> str:
    return RIGHT.format(cls=cls).lstrip()


def faulty(fault: Fault, cls: str) -> str:
    code = right(cls)
    for before, after in fault.wrong:
        before, after = before.replace("{cls}", cls), after.replace("{cls}", cls)
        assert before in code, (fault.name, before)
        code = code.replace(before, after)
    return code


@dataclass
class Researcher:
    """`faults`: by the number of the unit it is asked for, from 1; none after the last. `repeats`: its reviews are all the same. `stubborn`: faults that it never mends."""

    faults: Sequence[Fault | None] = ()
    repeats: bool = False
    stubborn: Sequence[str] = ()
    ratings: Sequence[float] = (4.0,)
    remarks: Mapping[str, str] = field(default_factory=dict)     # unit → what the observer has to say of it, once
    proposed: int = 0
    reviewed: int = 0
    units: dict[str, Fault | None] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, asked: Asked) -> Reply:
        with self.lock:
            system = asked.system
            if "You design blocks" in system:
                return Reply(json.dumps(self._proposal(asked)), reasoning="What would be worth measuring here?")
            if "You review proposals" in system:
                return Reply(json.dumps(self._review(asked)))
            if "You write PyTorch units" in system or "You mend PyTorch units" in system:
                return self._code(asked)
            if "You compare code" in system:
                return Reply(json.dumps(self._observation(asked)))
            if "You look for papers" in system:
                return Reply("", (Call("search_papers", json.dumps({"query": "linear attention"})),)) if asked.turns[-1][0] != "tool" else Reply("Averages: the library knows none.")
            if "You order proposals" in system:
                ids = re.findall(r"^## `([^`]+)`", asked.last, re.MULTILINE)
                return Reply(json.dumps({"order": ids[::-1], "why": "The later ones differ more."}))
            return Reply("My name is Stub.")

    # ------------------------------------------------------------------------------------------ designer

    def _proposal(self, asked: Asked) -> dict:
        said = "\n".join(text for role, text in asked.turns if role == "user")
        revised = "## Its review" in said
        if not revised:
            self.proposed += 1
        own = re.search(r"## Your proposal, revision \d+\s+\*\*Gated running mean (\d+)", said)
        number = int(own.group(1)) if own else self.proposed
        name = f"gated_mean_{number}"
        ids = [int(i) for i in re.findall(r"^- \[(\d+)\]", said, re.MULTILINE)]
        return {
            "title": f"Gated running mean {number}", "summary": f"Attention gives way to a gated running mean, form {number}.",
            "motivation": f"Averages need no keys{', and the review was right about the gate' if revised else ''}. Form {number} of the idea.",
            "change": f"The mixer becomes `{name}`: the mean of all values so far, gated by the token itself, scaled by {number} tenths.",
            "effect": "Cheaper than attention, weaker at recall: see selective copying.", "risks": "Early tokens see few others.",
            "nodes": [n for n in _parents_nodes(said) if not n["path"].startswith("mixer")] + [{"path": "mixer", "unit": name, "config": [{"name": "share", "value": number / 10 + 0.5}]}],
            "new_units": [{"name": name, "kind": "mixer", "slots": [], "config": [{"name": "share", "default": 1.0}],
                           "about": "Y_t = out(sigmoid(gate(X_t)) * (1/t) * sum_{s<=t} value(X_s)) * share; all maps linear, without bias, d to d."}],
            "heeded": [{"id": i, "how": "kept to it"} for i in ids]}

    # ------------------------------------------------------------------------------------------ reviewer

    def _review(self, asked: Asked) -> dict:
        rating = self.ratings[min(self.reviewed, len(self.ratings) - 1)]
        self.reviewed += 1
        title = re.search(r"## The proposal: (.+)", asked.turns[-1][1] if asked.turns else "")
        name = title.group(1) if title else "it"
        if self.repeats:
            why, points = "A sound idea in need of an ablation.", ["Compare with a plain mean at equal parameters.", "Report the state size against the length."]
        else:
            words = random.Random(self.reviewed).sample(WORDS, 18)
            why, points = f"{name}: {' '.join(words[:10])}.", [" ".join(words[10:14]), " ".join(words[14:])]
        return {**{axis: {"score": rating, "why": f"{axis}: {why}"} for axis in ("novelty", "soundness", "causality", "efficiency", "scalability")},
                "nearest": ["gpt2"], "points": points, "forecast": 0.2, "verdict": "accept" if rating >= 3.5 else "revise", "summary": why}

    # ------------------------------------------------------------------------------------------ coder

    def _code(self, asked: Asked) -> Reply:
        said = "\n".join(text for role, text in asked.turns if role == "user")
        named = re.search(r"[Tt]he unit `(\w+)`", said)
        name = named.group(1) if named else "gated_mean_1"
        cls = "".join(part.capitalize() for part in name.split("_"))
        first = name not in self.units
        if first:
            number = len(self.units)
            self.units[name] = self.faults[number] if number < len(self.faults) else None
        fault = self.units[name]
        if fault is None:
            return _block(right(cls))
        if first:
            return _block(faulty(fault, cls))
        check = asked.turns[-1][1].partition("The check says:")[2]
        if fault.name in self.stubborn or not any(hint.lower() in check.lower() for hint in fault.hints):
            return _block(faulty(fault, cls))
        self.told[name] = self.told.get(name, 0) + 1
        if self.told[name] < fault.rounds:
            return _block(faulty(fault, cls))
        if fault.edits:
            return Reply("\n\n".join(_edit(wrong.replace("{cls}", cls), good.replace("{cls}", cls), faulty(fault, cls)) for good, wrong in reversed(fault.wrong)))
        return _block(right(cls))

    def _observation(self, asked: Asked) -> dict:
        names = re.search(r"Units written for it: ([\w, ]+)\.", asked.last)
        units = [n.strip() for n in names.group(1).split(",")] if names else []
        found = [{"unit": unit, "remark": self.remarks[unit]} for unit in units if unit in self.remarks]
        return {"faithful": not found, "remarks": found, "summary": "It does what the proposal says." if not found else "Not in all."}


def _parents_nodes(said: str) -> list[dict]:
    """The tree of the first parent in the brief; a plain block where there is none."""
    tree = said.partition("Its tree:")[2].split("\n\nIts code")[0].split("\n## ")[0]
    found = [{"path": path, "unit": unit, "config": [{"name": n, "value": _value(v)} for n, v in re.findall(r"(\w+)=([^,\n]+)", rest)]}
             for path, unit, rest in re.findall(r"^- `([^`]*)` (\w+)(.*)$", tree, re.MULTILINE)]
    return found or [{"path": "", "unit": "pre_norm", "config": []}, {"path": "norm", "unit": "rms_norm", "config": []}, {"path": "channel", "unit": "swiglu", "config": []}]


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text == "True" if text in ("True", "False") else text


WORDS = ["gate", "scale", "recall", "state", "length", "width", "depth", "norm", "cost", "kernel", "memory", "gradient", "decay", "mixing", "tokens", "context", "window", "ablation", "seed", "noise", "baseline", "parameter", "budget", "channel", "head", "key", "value", "query", "phase", "rotation", "prefix", "suffix", "chunk", "scan", "parity", "copy", "induction", "compression", "overflow", "precision", "warmup", "schedule", "residual", "stream", "bias", "init", "spectrum", "rank", "eigenvalue"]


def _block(code: str) -> Reply:
    return Reply(f"Here it is.\n\n```python\n{code}```\n")


def _edit(wrong: str, good: str, code: str) -> str:
    """A search/replace block of whole lines: those of `code` in which `wrong` stands."""
    if not wrong:  # something is missing: it goes behind the line before
        line = next(line for line in code.splitlines() if line.startswith("class "))
        return f"<<<<<<< SEARCH\n{line}\n=======\n{line}\n{good.rstrip()}\n>>>>>>> REPLACE"
    start = code.rindex("\n", 0, code.index(wrong)) + 1
    end = code.index("\n", code.index(wrong) + len(wrong.rstrip("\n")))
    lines = code[start:end]
    return f"<<<<<<< SEARCH\n{lines}\n=======\n{lines.replace(wrong, good)}\n>>>>>>> REPLACE"
