"""The tools that agents may call: the tree and its scores, code, papers, checks and costs. Each answer is text, and limited."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from core.agents.coder import failures
from core.agents.drafts import TEXT, object_of
from core.agents.similarity import words
from core.citing import PaperTools
from core.errors import ModelDiscoveryError
from core.llm.base import Tool
from core.papers.library import PaperLibrary
from core.store import Store
from core.types import CheckReport, Costs, Design, Json

LONGEST = 12_000     # characters of one answer
FOUND = 8            # designs or papers in one answer

ID = {"id": {**TEXT, "description": "a design's id"}}
QUERY = {"query": {**TEXT, "description": "a few words"}}
PAPER = {"id": {**TEXT, "description": "a paper's id, as search_papers gives it, or its arXiv id"}}
CODE = {"code": {**TEXT, "description": "a whole gab.py"}}
TOOLS = (
    Tool("search_designs", "Designs of the tree whose title, summary or proposal has these words, with status and scores.", object_of(QUERY)),
    Tool("read_design", "One design: proposal, tree of units, code, reviews, scores.", object_of(ID)),
    Tool("scores", "The best designs measured at a scale, in held-out bits per byte (lower is better), the references among them.", object_of({"scale": TEXT})),
    Tool("search_papers", "Papers of the library that have these words, best first, with their ids and passages that fit.", object_of(QUERY)),
    Tool("read_paper", "Read a paper: what is known of it, and its text from a passage on.", object_of({**PAPER, "passage": {**TEXT, "description": "the number of the passage to begin at; 1 for the beginning"}})),
    Tool("cite", "Make sure that a citation is real, and get how it is written.",
         object_of({**PAPER, "passage": {**TEXT, "description": "the number of the passage that says so; 0 for the paper as a whole"}, "claim": {**TEXT, "description": "what it is cited for"}})),
    Tool("check_code", "Check a gab.py in the sandbox: does it build, run, learn, and is it causal?", object_of(CODE)),
    Tool("shape_trace", "One forward pass of a gab.py, module by module, with shapes.", object_of(CODE)),
    Tool("count_costs", "Count the parameters, FLOPs and memory of a gab.py at this session's scale.", object_of(CODE)),
    Tool("costs", "Parameters, FLOPs and memory of a design at every scale where they were counted.", object_of(ID)),
)
NAMES = tuple(tool.name for tool in TOOLS)


class Tools:
    """`check`, `trace` and `count` (scale and costs of a code) run in the sandbox; what they cost in time is the session's."""

    def __init__(self, store: Store, library_dir: Path, scales: Sequence[str], check: Callable[[str], CheckReport], trace: Callable[[str], Json], costs: Callable[[str], dict[str, Costs]],
                 count: Callable[[str], tuple[str, Costs]]) -> None:
        self._store = store
        self._papers = PaperTools(PaperLibrary(store, library_dir))
        self._scales = tuple(scales)
        self._check, self._trace, self._counted, self._count = check, trace, costs, count

    def offered(self, names: Sequence[str]) -> tuple[Tool, ...]:
        return tuple(tool for tool in TOOLS if tool.name in names)

    def run(self, name: str, arguments: str) -> str:
        """What went wrong is told to the model: an argument that is none, a design that is not there, a tool of no such name."""
        try:
            given = json.loads(arguments or "{}")
            if name not in NAMES:
                return f"there is no tool {name!r}; the tools are {', '.join(NAMES)}"
            if isinstance(given, dict) and isinstance(given.get("passage"), int):      # models write numbers as numbers
                given["passage"] = str(given["passage"])
            wanted = next(tool for tool in TOOLS if tool.name == name).parameters["required"]
            if not isinstance(given, dict) or any(not isinstance(given.get(key), str) for key in wanted):
                return f"{name} takes {', '.join(wanted)}, each a text"
            text = getattr(self, f"_{name}")(*(given[key] for key in wanted))
        except (ValueError, RecursionError) as error:
            return f"the arguments are no JSON: {error}"
        except ModelDiscoveryError as error:
            return f"error: {error}"
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… cut here: {len(text):,} characters"

    def _search_designs(self, query: str) -> str:
        wanted = set(words(query))
        texts = {p.design_id: f"{p.title} {p.body}" for p in self._store.proposals.all_newest()}
        scored = [(len(wanted & set(words(f"{d.id} {d.title} {d.summary} {texts.get(d.id, '')}"))), d) for d in self._store.designs.all()]
        found = [d for n, d in sorted(scored, key=lambda pair: -pair[0]) if n][:FOUND]
        return "\n".join(_line(d) for d in found) or "nothing has these words"

    def _read_design(self, id: str) -> str:
        design = self._store.designs.get(id)
        proposal, made = self._store.proposals.newest(id), self._store.implementations.newest(id)
        parts = [_line(design), proposal.body if proposal else "", f"tree: {json.dumps(proposal.units.to_dict())}" if proposal and proposal.units else ""]
        parts += [f"review, {r.rating:.1f} of 5: {r.text}" for r in self._store.reviews.of(id)[-2:]]
        return "\n\n".join(filter(None, [*parts, f"```python\n{made.code}\n```" if made else "no code yet"]))

    def _scores(self, scale: str) -> str:
        if scale not in self._scales:
            return f"there is no scale {scale!r}; the scales are {', '.join(self._scales)}"
        measured = sorted((d for d in self._store.designs.all() if scale in d.scores), key=lambda d: d.scores[scale])
        return "\n".join(f"{d.scores[scale]:.4f} ({d.n_seeds.get(scale, 1)} seeds) {d.id}: {d.title}" for d in measured[: 3 * FOUND]) or f"nothing was measured at {scale} yet"

    def _search_papers(self, query: str) -> str:
        return self._papers.search(query)

    def _read_paper(self, id: str, passage: str) -> str:
        return self._papers.read(id, passage)

    def _cite(self, id: str, passage: str, claim: str) -> str:
        return self._papers.cite(id, passage, claim)

    def _check_code(self, code: str) -> str:
        report = self._check(code)
        return "it passes every check" if report.passed else failures(report)

    def _shape_trace(self, code: str) -> str:
        return json.dumps(self._trace(code))

    def _count_costs(self, code: str) -> str:
        return _counted(*self._count(code))

    def _costs(self, id: str) -> str:
        self._store.designs.get(id)
        return "\n".join(_counted(scale, costs) for scale, costs in self._counted(id).items()) or "not counted yet"


def _counted(scale: str, c: Costs) -> str:
    return f"{scale}: {c.params:,} parameters, {c.flops_train:.3g} FLOPs a trained token, {c.peak_mb:,.0f} MB"


def _line(design: Design) -> str:
    scores = ", ".join(f"{scale} {value:.4f}" for scale, value in design.scores.items())
    return f"`{design.id}` {design.title} ({design.status}{', ' + scores if scores else ''}): {design.summary}"
