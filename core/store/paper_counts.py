"""Passages that an index has found, ranked by counting words in their text, where it would take longer to rank them: of words that half of a library has, and of the few papers that a
filter leaves.

BM25 (Robertson and Zaragoza 2009, k1 = 1.2, b = 0.75) among the passages that are given; a word in the heading counts as two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

HEADING = 2
ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "edly", "ed", "ers", "er", "es", "s", "ely", "ly", "e", "y")
LEAST = 4               # letters that stay of a word without its ending


class Passage(NamedTuple):       # thousands at a question: the garbage collector does not look at tuples of text
    id: int
    section: str
    text: str
    paper: str = ""


@dataclass(frozen=True)
class Word:
    """`said`: its beginnings in each spelling; `weight`: rare words weigh more."""

    said: tuple[str, ...]
    weight: float


def beginning(word: str) -> str:
    """A word without its ending, as `normalization` and `normalized` both begin with `normaliz`. Rougher than the index's stems (Porter 1980): only counted by it."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= LEAST:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > LEAST and word[-1] == word[-2] and word[-1] not in "aeioulsz" else word


def weighed(spellings: Mapping[str, Sequence[str]], counts: Mapping[str, int], most: int) -> list[Word]:
    """For each word of a question with its spellings, the passages that have it (counted up to `most`) turned into a weight."""
    return [Word(tuple(dict.fromkeys(beginning(s) for s in said)), math.log(1 + 2 * most / max(1, counts[word]))) for word, said in spellings.items()]


def ranked(passages: Sequence[Passage], words: Sequence[Word], found: bool) -> list[Passage]:
    """Best first. `found`: by an index, with every word: one whose beginning is not there stands in another form, and counts once. Otherwise with any: what has no beginning is left out."""
    lengths = [len(p.text) + 1 for p in passages]
    mean = sum(lengths) / max(1, len(lengths))
    least, scored = int(found), []
    for n, (passage, length) in enumerate(zip(passages, lengths, strict=True)):
        text, section, damp, score = passage.text.lower(), passage.section.lower(), 1.2 * (0.25 + 0.75 * length / mean), 0.0
        for word in words:
            often = 0
            for said in word.said:
                often += text.count(said) + HEADING * section.count(said)
            often = often or least
            score += word.weight * often / (often + damp)
        if score > 0:
            scored.append((-score, n))
    return [passages[n] for _, n in sorted(scored)]


def best_of_papers(passages: Sequence[Passage], words: Sequence[Word], most: int) -> list[Passage]:
    """Of passages that were found with any of the words, the best of each of the best papers; last those that say the words in other forms alone."""
    best: dict[str, Passage] = {}
    for passage in (*ranked(passages, words, found=False), *passages):
        best.setdefault(passage.paper, passage)
    return list(best.values())[:most]
