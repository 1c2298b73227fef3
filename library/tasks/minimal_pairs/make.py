"""Makes minimal_pairs.jsonl: English sentence pairs that differ in one grammatical choice, in the words of technical prose.

After the form of BLiMP (Warstadt et al. 2020, arXiv 1912.00582); sentences and phenomena are our own. `python library/tasks/minimal_pairs/make.py`
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

PER_PHENOMENON = 50
NOUNS = ["value", "method", "string", "file", "module", "class", "list", "name", "line", "key", "number", "type", "result", "test", "message"]
VOWEL_NOUNS = ["object", "argument", "error", "instance", "attribute", "exception", "iterator", "integer", "index", "element"]
VERBS = [("return", "returns", "returned"), ("call", "calls", "called"), ("create", "creates", "created"), ("use", "uses", "used"),
         ("remove", "removes", "removed"), ("print", "prints", "printed"), ("check", "checks", "checked"), ("change", "changes", "changed")]
ADJECTIVES = ["new", "first", "given", "current", "default", "empty", "special", "other", "simple", "last"]
Draw = Callable[[random.Random], tuple[str, str]]


def plural(noun: str) -> str:
    return noun + ("es" if noun.endswith(("s", "x")) else "s")


def agreement(r: random.Random) -> tuple[str, str]:
    noun, other, adjective = *r.sample(NOUNS, 2), r.choice(ADJECTIVES)
    base, third, _ = r.choice(VERBS)
    many = r.random() < 0.5
    subject = f"The {adjective} {plural(noun) if many else noun}"
    right, wrong = (base, third) if many else (third, base)
    return f"{subject} {right} the {other}.", f"{subject} {wrong} the {other}."


def agreement_across(r: random.Random) -> tuple[str, str]:
    noun, other, adjective = *r.sample(NOUNS, 2), r.choice(ADJECTIVES)
    many = r.random() < 0.5
    subject = f"The {plural(noun)} of the {other}" if many else f"The {noun} of the {plural(other)}"
    right, wrong = ("are", "is") if many else ("is", "are")
    return f"{subject} {right} {adjective}.", f"{subject} {wrong} {adjective}."


def determiner(r: random.Random) -> tuple[str, str]:
    noun, (_, third, past) = r.choice(NOUNS), r.choice(VERBS)
    one, many = r.choice([("this", "these"), ("that", "those")])
    start = f"It {third}" if r.random() < 0.5 else f"It was {past} by"
    if r.random() < 0.5:
        return f"{start} {one} {noun}.", f"{start} {one} {plural(noun)}."
    return f"{start} {many} {plural(noun)}.", f"{start} {many} {noun}."


def article(r: random.Random) -> tuple[str, str]:
    noun, (_, third, _) = r.choice(NOUNS + VOWEL_NOUNS), r.choice(VERBS)
    right, wrong = ("an", "a") if noun in VOWEL_NOUNS else ("a", "an")
    return f"The method {third} {right} {noun}.", f"The method {third} {wrong} {noun}."


def anaphor(r: random.Random) -> tuple[str, str]:
    noun, (base, third, _) = r.choice(NOUNS), r.choice(VERBS)
    if r.random() < 0.5:
        return f"The {noun} {third} itself.", f"The {noun} {third} themselves."
    return f"The {plural(noun)} {base} themselves.", f"The {plural(noun)} {base} itself."


def after_modal(r: random.Random) -> tuple[str, str]:
    noun, other, (base, third, _) = *r.sample(NOUNS, 2), r.choice(VERBS)
    modal = r.choice(["can", "must", "should", "will", "does not"])
    return f"The {noun} {modal} {base} the {other}.", f"The {noun} {modal} {third} the {other}."


def passive(r: random.Random) -> tuple[str, str]:
    noun, other, (base, _, past) = *r.sample(NOUNS, 2), r.choice(VERBS)
    adverb = r.choice(["", "always ", "never ", "not "])
    return f"The {noun} is {adverb}{past} by the {other}.", f"The {noun} is {adverb}{base} by the {other}."


def word_order(r: random.Random) -> tuple[str, str]:
    noun, other, adjective, (_, third, _) = *r.sample(NOUNS, 2), r.choice(ADJECTIVES), r.choice(VERBS)
    return f"The {noun} {third} the {adjective} {other}.", f"The {noun} {third} {adjective} the {other}."


PHENOMENA: dict[str, Draw] = {
    "agreement": agreement, "agreement_across": agreement_across, "determiner": determiner, "article": article, "anaphor": anaphor,
    "after_modal": after_modal, "passive": passive, "word_order": word_order}


def make(seed: int = 0) -> list[dict[str, str]]:
    """PER_PHENOMENON different pairs of each phenomenon."""
    pairs = []
    for name, draw in PHENOMENA.items():
        r, seen = random.Random(f"{seed}/{name}"), set()
        while len(seen) < PER_PHENOMENON:
            pair = draw(r)
            if pair not in seen:
                seen.add(pair)
                pairs.append({"phenomenon": name, "sentence_good": pair[0], "sentence_bad": pair[1]})
    return pairs


def text() -> str:
    return "".join(json.dumps(pair) + "\n" for pair in make())


if __name__ == "__main__":
    Path(__file__).with_name("minimal_pairs.jsonl").write_text(text(), encoding="utf-8")
