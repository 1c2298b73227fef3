"""Reading JSON that a model wrote, as it was meant: code fences, text around it, comments, trailing commas, single quotes, bare names, Python's words,
and an end that was cut off. A reader by recursive descent over JSON (RFC 8259) and the liberties of JSON5, that never guesses at values: what it
cannot read it says with its place.
"""

from __future__ import annotations

import json
import re
from typing import Any

WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None, "NaN": None, "nan": None, "undefined": None,
         "Infinity": None, "-Infinity": None, "inf": None}
FENCE = re.compile(r"```[ \t]*(?:json5?|JSON|jsonc)?[ \t]*\n(.*?)(?:```|\Z)", re.S)
THOUGHT = re.compile(r"<(/?)think(?:ing)?>")
NUMBER = re.compile(r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
BARE = re.compile(r"[-+]?[A-Za-z_$][\w$.-]*")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"', "'": "'", "0": "\0", "\n": "", "v": "\v"}
DEEPEST, STARTS = 100, 200  # of nesting; of braces at which reading is begun


def read_object(text: str) -> dict[str, Any]:
    """The JSON object in a text: the one that reads whole, the largest where there are several. Raises ValueError, in words for whoever wrote it."""
    text = _spoken(text)
    candidates = [text.strip(), *(m.strip() for m in FENCE.findall(text))]
    for candidate in candidates:
        try:
            value = json.loads(candidate, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    trouble = "there is no JSON object in it"
    best: tuple[bool, int, dict[str, Any]] | None = None
    for candidate in reversed(candidates):
        start, begun = candidate.find("{"), 0
        while start >= 0 and (begun := begun + 1) <= STARTS:
            reader = _Reader(candidate, start)
            try:
                value = reader.value()
            except (ValueError, RecursionError) as error:
                trouble = str(error) or "it is nested too deeply"
                start = candidate.find("{", start + 1)
                continue
            if isinstance(value, dict) and value:
                found = (not reader.cut, reader.at - start, value)
                best = found if best is None or found[:2] > best[:2] else best
            start = candidate.find("{", max(reader.at, start + 1))
        if best and best[0]:
            break
    if best is None:
        raise ValueError(trouble)
    return best[2]


def _spoken(text: str) -> str:
    """Without what stands between <think> and </think>; a thought that does not end may hold the answer, and stays."""
    kept, behind, opened = [], 0, -1
    for mark in THOUGHT.finditer(text):
        if not mark[1] and opened < 0:
            opened = mark.start()
        elif mark[1] and opened >= 0:
            kept.append(text[behind:opened])
            behind, opened = mark.end(), -1
    return "".join([*kept, text[behind:]])


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self.cut = False                 # the text ended before the value did
        self._depth = 0

    def value(self) -> Any:
        self._skip()
        char = self._char()
        if char in "{[":
            self._depth += 1
            if self._depth > DEEPEST:
                raise ValueError("it is nested too deeply")
            value: Any = self._object() if char == "{" else self._array()
            self._depth -= 1
            return value
        if char in "\"'“‘`":
            return self._string()
        return self._plain()

    def _object(self) -> dict[str, Any]:
        self.at += 1
        found: dict[str, Any] = {}
        while self._more("}"):
            key = self._string() if self._char() in "\"'“‘`" else self._name()
            self._skip()
            if self._char() not in ":=":
                if not self._char():     # cut off behind a name: it has no value
                    self.cut = True
                    break
                raise self._bad("a colon is missing")
            self.at += 1
            self._skip()
            if not self._char():
                self.cut = True
                break
            found[key] = self.value()
            self._between("}")
        return found

    def _array(self) -> list[Any]:
        self.at += 1
        found = []
        while self._more("]"):
            found.append(self.value())
            self._between("]")
        return found

    def _more(self, end: str) -> bool:
        self._skip()
        char = self._char()
        if char == end:
            self.at += 1
            return False
        if not char:
            self.cut = True
            return False
        return True

    def _between(self, end: str) -> None:
        self._skip()
        char = self._char()
        if char == ",":
            self.at += 1
            self._skip()
            while self._char() == ",":
                self.at += 1
                self._skip()
        elif char and char != end and char not in "\"'{[" and not char.isalnum():
            raise self._bad("a comma is missing")

    def _string(self) -> str:
        opened = self.text[self.at]
        triple = self.text.startswith(opened * 3, self.at) and opened in "\"'"
        closing = opened * 3 if triple else {"“": "”", "‘": "’"}.get(opened, opened)
        self.at += len(closing)
        out: list[str] = []
        while True:
            if self.at >= len(self.text):
                self.cut = True
                return "".join(out)
            if self.text.startswith(closing, self.at) and (triple or self._closes()):
                self.at += len(closing)
                return "".join(out)
            char = self.text[self.at]
            self.at += 1
            out.append(self._escape() if char == "\\" else char)

    def _closes(self) -> bool:
        """Whether the quote here ends the string: behind one that does stands a comma, a colon, a bracket, or nothing."""
        behind = self.text[self.at + 1:self.at + 400]
        blank = len(behind) - len(behind.lstrip())
        if "\n" in behind[:blank]:      # a comma may be missing at the end of a line
            return behind[blank:blank + 1] in ("", ",", ":", "}", "]", '"', "'")
        return not behind.strip() or behind[blank] in ",:}]#" or behind[blank:].startswith(("//", "/*"))

    def _escape(self) -> str:
        if self.at >= len(self.text):
            return ""
        char = self.text[self.at]
        self.at += 1
        if char == "u":
            return self._unicode()
        return ESCAPES.get(char, "\\" + char)  # `\alpha` was meant as it stands

    def _unicode(self) -> str:
        digits = self.text[self.at:self.at + 4]
        if not re.fullmatch(r"[0-9a-fA-F]{4}", digits):
            return "\\u"
        self.at += 4
        code = int(digits, 16)
        if 0xD800 <= code < 0xDC00 and (m := re.match(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})", self.text[self.at:self.at + 6])):
            self.at += 6
            return chr(0x10000 + ((code - 0xD800) << 10) + int(m[1], 16) - 0xDC00)
        return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)

    def _name(self) -> str:
        found = BARE.match(self.text, self.at) or NUMBER.match(self.text, self.at)
        if not found:
            raise self._bad("a name is expected")
        self.at = found.end()
        return found[0]

    def _plain(self) -> Any:
        if found := BARE.match(self.text, self.at):
            word = found[0]
            if word not in WORDS:
                whole = [w for w in WORDS if w.startswith(word)] if found.end() == len(self.text) else []
                if not whole:
                    raise self._bad(f"{word!r} is no value")
                self.cut = True
                word = whole[0]
            self.at = found.end()
            return WORDS[word]
        if found := NUMBER.match(self.text, self.at):
            self.at = found.end()
            digits = found[0].replace("_", "").lstrip("+")
            return int(digits) if re.fullmatch(r"-?\d+", digits) else float(digits)
        raise self._bad("a value is expected")

    def _skip(self) -> None:
        """Blanks and comments."""
        while self.at < len(self.text):
            if self.text[self.at].isspace() or self.text[self.at] == "\ufeff":
                self.at += 1
            elif self.text.startswith("//", self.at) or self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text.startswith("/*", self.at):
                end = self.text.find("*/", self.at + 2)
                self.at = len(self.text) if end < 0 else end + 2
            else:
                return

    def _char(self) -> str:
        return self.text[self.at:self.at + 1]

    def _bad(self, what: str) -> ValueError:
        line = self.text.count("\n", 0, self.at) + 1
        return ValueError(f"{what} at line {line}, before {self.text[self.at:self.at + 20]!r}")

