"""JSON as models write it."""

from __future__ import annotations

import time

import pytest

from core.llm.base import Schema
from core.llm.structured import NotThatJson, parse_json
from core.llm.tolerant import read_object

REVIEW = Schema("review", {"type": "object", "properties": {"rating": {"type": "number", "minimum": 0, "maximum": 5}, "reasons": {"type": "array", "items": {"type": "string"}}},
                           "required": ["rating", "reasons"], "additionalProperties": False})

READ = {
    "as it should be": ('{"a": 1, "b": [true, null]}', {"a": 1, "b": [True, None]}),
    "a fence": ('Here you are:\n```json\n{"a": 1}\n```\nHope it helps {not this}.', {"a": 1}),
    "a fence without a name": ("```\n{'a': 'it is'}\n```", {"a": "it is"}),
    "text around": ('Sure! {"a": {"b": 2}} is my answer.', {"a": {"b": 2}}),
    "braces in the text": ("I use {x} and {y, z}, so: {\"a\": 1}", {"a": 1}),
    "trailing commas": ('{"a": [1, 2,], "b": 3,}', {"a": [1, 2], "b": 3}),
    "single quotes": ("{'a': 'don\\'t', 'b': \"it's\"}", {"a": "don't", "b": "it's"}),
    "comments": ('{"a": 1, // one\n /* two */ "b": 2 # three\n}', {"a": 1, "b": 2}),
    "Python's words": ("{'a': True, 'b': None, 'c': False}", {"a": True, "b": None, "c": False}),
    "no numbers": ('{"a": NaN, "b": Infinity, "c": -Infinity}', {"a": None, "b": None, "c": None}),
    "bare names": ("{rating: 4, reasons: ['x']}", {"rating": 4, "reasons": ["x"]}),
    "an end cut off in a string": ('{"a": [1, {"b": "half a sen', {"a": [1, {"b": "half a sen"}]}),
    "an end cut off behind a comma": ('{"a": 1, "b": [2, ', {"a": 1, "b": [2]}),
    "an end cut off behind a colon": ('{"a": 1, "b":', {"a": 1}),
    "an end cut off in a word": ('{"a": 1, "b": tru', {"a": 1, "b": True}),
    "line breaks in a string": ('{"code": "def f():\n    return 1\n"}', {"code": "def f():\n    return 1\n"}),
    "quotes in a string": ('{"a": "he said "yes" to it", "b": 1}', {"a": 'he said "yes" to it', "b": 1}),
    "typographic quotes": ("{“a”: “b”}", {"a": "b"}),
    "a missing comma": ('{"a": 1 "b": 2}', {"a": 1, "b": 2}),
    "a missing comma at a line's end": ('{"a": "x"\n "b": "y"}', {"a": "x", "b": "y"}),
    "three quotes": ('{"code": """def f():\n  return "x"\n"""}', {"code": 'def f():\n  return "x"\n'}),
    "unknown escapes": (r'{"a": "\alpha \d \u00e9 \ud83d\ude42"}', {"a": r"\alpha \d é 🙂"}),
    "numbers of all kinds": ('{"a": +1, "b": .5, "c": 1_000, "d": -2e-3, "e": 4.}', {"a": 1, "b": 0.5, "c": 1000, "d": -0.002, "e": 4.0}),
    "a thought about thoughts": ('<think><think>{"a": 0}</thinking>{"a": 1}</think>', {"a": 1}),
    "a thought that does not end": ('<think>so it is {"a": 1}', {"a": 1}),
    "thoughts before": ('<think>{"a": 0}? no</think>{"a": 1}', {"a": 1}),
    "the larger of two": ('{"a": 1} or rather {"a": 1, "b": 2}', {"a": 1, "b": 2}),
}


@pytest.mark.parametrize("case", READ)
def test_it_is_read_as_it_was_meant(case):
    text, meant = READ[case]
    assert read_object(text) == meant


@pytest.mark.parametrize("text", ["", "no", "[1, 2]", "{", "{}}{", "{]", '{"a": @}', "{" * 5000, "```json\n```", '{"a": what}'])
def test_what_cannot_be_read_is_told(text):
    with pytest.raises(ValueError, match=r"\w"):
        read_object(text)


def test_a_long_text_without_json_is_refused_quickly():
    with pytest.raises(ValueError, match="JSON"):
        read_object("a word " * 50_000)


def test_thoughts_that_do_not_end_are_read_in_linear_time():
    start = time.monotonic()
    assert read_object("<think>" * 100_000 + '{"a": 1}') == {"a": 1}
    assert time.monotonic() - start < 2.0


def test_it_is_checked_against_its_schema_in_words_for_the_model():
    assert parse_json('{"rating": 4, "reasons": []}', REVIEW) == {"rating": 4, "reasons": []}
    assert parse_json('{"review": {"rating": 4, "reasons": []}}', REVIEW)["rating"] == 4
    with pytest.raises(NotThatJson, match=r"does not fit review: 'reasons' is a required property; rating: 9 is greater than the maximum of 5"):
        parse_json('{"rating": 9}', REVIEW)
    with pytest.raises(NotThatJson, match="not readable as JSON"):
        parse_json("I would rate it four", REVIEW)
