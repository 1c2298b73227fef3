"""`python -m core data list|show NAME|prepare NAME`: corpora, and making them ready."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from core import cli_text as text
from core.build import BuildSystem
from core.errors import UsageError
from core.gab.scales import get_scale, load_scales
from core.verification.training.recipes import parse_amount
from core.verification.training.shelf import Shelved, shelf, shelved

WIDTH = 30                   # of the bar, in characters


def data(args: argparse.Namespace) -> tuple[object, str, int]:
    """Answer one of the three."""
    if args.action == "list":
        return _list()
    if not args.name:
        raise UsageError(f"data {args.action} of what?", f"python -m core data {args.action} NAME; the names: python -m core data list")
    return _show(args.name) if args.action == "show" else _prepare(args)


def _list() -> tuple[object, str, int]:
    system = BuildSystem()
    found = shelf(system.config, load_scales(system.config.scales_file))
    rows = [(s.name, s.kind, _tokens(s), ", ".join(s.prepared) or (f"unfinished: {', '.join(s.unfinished)}" if s.unfinished else ""), s.problem or s.title) for s in found]
    return found, text.table(("name", "from", "tokens", "prepared for", "title"), rows), 0


def _tokens(found: Shelved) -> str:
    return f"{found.tokens / 1e6:,.0f} M" if found.tokens else "all"


def _show(name: str) -> tuple[object, str, int]:
    system = BuildSystem()
    found = shelved(name, system.config, load_scales(system.config.scales_file))
    facts = (("source", found.source), ("licence", found.licence), ("page", found.url), ("file", found.file), ("tokens", _tokens(found)),
             ("prepared", ", ".join(found.prepared) or "for no scale yet"), ("unfinished", ", ".join(found.unfinished)))
    lines = [f"{found.name}  {found.title}", *([found.what] if found.what else []), *[f"  {key:<11} {value}" for key, value in facts if value],
             *[f"  {'from':<11} {part}" for part in found.parts]]
    return found, "\n".join(lines), 0


def _prepare(args: argparse.Namespace) -> tuple[object, str, int]:
    system = BuildSystem()
    if args.vocab is not None and args.scale is not None:
        raise UsageError("--vocab and --scale are both given", "give one: a scale has a vocabulary")
    scale = get_scale(load_scales(system.config.scales_file), args.scale or "nano")
    vocab, tokenizer = args.vocab or scale.vocab_size, args.tokenizer if args.tokenizer is not None else ("" if args.vocab else scale.tokenizer)
    system.config.make_dirs()
    bar = Bar(sys.stderr.isatty())
    try:
        made = system.prepare_corpus(args.name, vocab, bar, tokenizer, parse_amount(args.tokens) if args.tokens else 0)
    finally:
        bar.close()
    words = [f"{made.name}: {made.train_tokens:,} training tokens of {vocab:,}, {made.documents:,} documents, {made.bytes_per_token:.2f} bytes a token",
             f"  held out  {made.valid_tokens:,} to score, {made.test_tokens:,} locked, {made.watch_tokens:,} to watch", f"  hash      {made.hash[:16]}…",
             f"  in        {made.dir}", *[f"  note      {note}" for note in made.notes]]
    if args.vocab is None and scale.tokens > made.train_tokens:
        words.append(f"  note      {scale.name} trains on {scale.tokens:,} tokens: this text is seen {scale.tokens / made.train_tokens:.1f} times")
    return {**made.__dict__, "bytes_per_token": made.bytes_per_token}, "\n".join(words), 0


class Bar:
    """A progress bar on a terminal; a line now and then in a log."""

    def __init__(self, live: bool) -> None:
        self.live = live
        self.started = self.said = time.monotonic()

    def __call__(self, fraction: float, note: str) -> None:
        now = time.monotonic()
        if self.live:
            full = round(WIDTH * fraction)
            print(f"\r\033[K[{'█' * full}{'·' * (WIDTH - full)}] {fraction:4.0%} {note}{self._left(now, fraction)}"[:140], end="", file=sys.stderr, flush=True)
        elif now - self.said > 10:
            print(f"{fraction:4.0%} {note}", file=sys.stderr, flush=True)
            self.said = now

    def _left(self, now: float, fraction: float) -> str:
        spent = now - self.started
        return f", about {spent * (1 - fraction) / fraction:,.0f} s left" if spent > 5 and fraction > 0.05 else ""

    def close(self) -> None:
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


OPTIONS: Sequence[tuple] = (
    ("action", {"choices": ["list", "show", "prepare"]}),
    ("name", {"nargs": "?", "help": "a corpus's name (smollm, smollm:3B), a text file or a folder"}),
    ("--scale", {"help": "whose vocabulary and tokenizer (nano otherwise)"}),
    ("--vocab", {"type": int, "help": "a vocabulary of this size instead"}),
    ("--tokens", {"default": "", "help": "training tokens, as 20M or 3B; as the corpus says otherwise"}),
    ("--tokenizer", {"metavar": "ID", "help": "one from the Hub instead of one trained here"}),
)
