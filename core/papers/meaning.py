"""Likeness of meaning, where it is wanted: embeddings of the papers' cards by any server that speaks OpenAI's /embeddings (a provider, or one of this machine: vLLM, llama.cpp, Ollama).

PAPERS_EMBEDDINGS=http://localhost:11434/v1#nomic-embed-text switches it on, `python -m core papers embed` makes the vectors; a search then joins the ranking by cosine with
those by words. A server that does not answer is left alone for a minute, and searches go on by words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from core.errors import SourceError, UsageError
from core.store import Store
from core.store.paper_nouns import Paper
from core.store.paper_vectors import Vectors
from core.types import sha256_text

AT_ONCE, DOWN_S, LONGEST = 64, 60.0, 4000
SOURCE = "embeddings"


@dataclass
class Embeddings:
    """`address`: the server's base, #, the model. The query's vector is kept: the same question is asked again with other filters."""

    store: Store
    address: str
    key: str = field(default="", repr=False)
    client: httpx.Client | None = None
    _asked: dict[str, list[float]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.base, sign, self.model = self.address.partition("#")
        if not sign or not self.model or not self.base.startswith(("http://", "https://")):
            raise UsageError(f"PAPERS_EMBEDDINGS={self.address!r} is no server and model", "as http://localhost:11434/v1#nomic-embed-text")
        self.vectors = Vectors(self.store.database)

    def refresh(self, report: Callable[[float, str], None]) -> int:
        """Vectors of the papers that have none, or whose card has changed; how many. Raises SourceError."""
        known = self.vectors.hashes(self.model)
        wanting = [(p, text) for p in self.store.papers.all() if known.get(p.seq) != sha256_text(text := card(p))]
        for start in range(0, len(wanting), AT_ONCE):
            part = wanting[start : start + AT_ONCE]
            report(start / len(wanting), f"{start} of {len(wanting)}")
            found = self._embed([text for _, text in part])
            self.vectors.put(self.model, [(p.seq, sha256_text(text), vector) for (p, text), vector in zip(part, found, strict=True)])
        return len(wanting)

    def ranked(self, query: str, limit: int) -> Sequence[int]:
        """Papers' numbers, likest first; none while the server does not answer, or nothing is embedded."""
        last = self.store.lookups.newest(SOURCE, self.model)
        if last and last.state == "down" and last.stands:
            return ()
        try:
            vector = self._asked.get(query) or self._embed([query])[0]
        except SourceError as error:
            self.store.lookups.add(SOURCE, self.model, "down", {"words": str(error)}, DOWN_S)
            return ()
        if len(self._asked) < 1000:
            self._asked[query] = vector
        return self.vectors.likest(self.model, vector, limit)

    def _embed(self, texts: Sequence[str]) -> list[list[float]]:
        client = self.client or httpx.Client(timeout=20.0)
        try:
            answer = client.post(f"{self.base.rstrip('/')}/embeddings", json={"model": self.model, "input": list(texts)}, headers={"Authorization": f"Bearer {self.key}"} if self.key else {})
            answer.raise_for_status()
            rows = sorted(answer.json()["data"], key=lambda row: row["index"])
            found = [[float(x) for x in row["embedding"]] for row in rows]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{self.base} gave no embeddings: {type(error).__name__}", "see whether the server of PAPERS_EMBEDDINGS runs and has this model") from None
        if len(found) != len(texts) or len({len(v) for v in found}) != 1 or not found[0]:
            raise SourceError(f"{self.base} gave {len(found)} embeddings for {len(texts)} texts", "use a model for embeddings")
        return found


def card(paper: Paper) -> str:
    f = paper.facts
    return "\n".join(filter(None, [f.title, f.idea, f.tldr, f.abstract]))[:LONGEST]
