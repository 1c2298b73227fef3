"""`python -m core ask WORDS` and `python -m core models`: one question to a language model, and which there are."""

from __future__ import annotations

import argparse
import os
import sys

from core import cli_text as text
from core.config import KEYS, Config
from core.errors import UsageError
from core.llm.base import Delta, Request, Turn
from core.llm.catalogue import Catalogue, Entry, load_catalogue
from core.llm.price import PriceTable, load_prices
from core.talk import BEST, BuildModel

ASK = (("words", {"help": "the question; - reads it from the standard input"}),
       ("--model", {"action": "append", "default": [], "metavar": "PROVIDER:MODEL", "help": f"or tier:NAME; given again, the next to fall back to ({BEST} otherwise)"}),
       ("--system", {"default": "", "help": "what the model is told before"}),
       ("--max-tokens", {"type": int, "default": 4096, "help": "of the answer, reasoning included"}),
       ("--temperature", {"type": float}), ("--effort", {"default": "", "choices": ["", "low", "medium", "high"], "help": "of reasoning"}),
       ("--deadline", {"type": float, "default": 600.0, "metavar": "SECONDS"}))
MODELS = ()


def ask(args: argparse.Namespace) -> tuple[object, str, int]:
    """The answer streams to the standard output, what it took goes to the other one."""
    words = sys.stdin.read() if args.words == "-" else args.words
    if not words.strip():
        raise UsageError("nothing was asked", 'python -m core ask "what is your name?"')
    if args.max_tokens < 1:
        raise UsageError(f"--max-tokens {args.max_tokens} allows no answer", "give a positive number")
    model = BuildModel(args.model or BEST)
    turns = (*([Turn("system", args.system)] if args.system else []), Turn("user", words))
    request = Request(turns, max_tokens=args.max_tokens, temperature=args.temperature, effort=args.effort, deadline_s=args.deadline)
    try:
        answer = model.ask(request, _silent if args.json else _show)
        spent = model.spent()
    except BrokenPipeError:  # the reader (head, less) has seen enough; what was asked is on record
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return {}, "", 0
    finally:
        model.close()
    u = answer.usage
    data = {"text": answer.text, "model": answer.model, "finish": answer.finish, "usage": vars(u), "tries": spent.tries,
            "money": None if spent.unpriced else spent.money}
    if not args.json:
        print(flush=True)
        cached = f" ({u.cached} cached)" if u.cached else ""
        print(f"{answer.model}: {u.input} tokens in{cached}, {u.output} out{', estimated' if u.estimated else ''}, {spent.dollars}"
              f"{f', {spent.tries} tries' if spent.tries > 1 else ''}{', cut at --max-tokens' if answer.finish == 'length' else ''}", file=sys.stderr)
    return data, "", 0


def models(args: argparse.Namespace) -> tuple[object, str, int]:
    """Providers, whether they can be asked, and what their tiers cost."""
    config = Config.from_env()
    catalogue, prices = load_catalogue(config.providers_file), load_prices(config.prices_file)
    data = [{"provider": e.name, "label": e.label, "wire": e.wire, "base_url": e.at, "key": _key(e, config), "tiers": dict(e.tiers),
             "prices": {tier: _price(e, model, prices) for tier, model in e.tiers.items()}} for e in catalogue.entries.values()]
    rows = [(d["provider"], d["wire"], d["base_url"], d["key"], "; ".join(f"{tier} {model} ({d['prices'][tier]})" for tier, model in d["tiers"].items())) for d in data]
    words = text.table(("provider", "wire", "at", "key", "tiers ($ per million tokens, in and out)"), rows)
    return data, f"{words}\n{_usable(catalogue, config)}", 0


def _usable(catalogue: Catalogue, config: Config) -> str:
    found = catalogue.with_key(config.keys)
    return f"tier:strong is {found[0].name}:{found[0].tiers.get('strong', '?')}" if found else f"no tier can be asked: {catalogue.how_to_get_one()}"


def _key(entry: Entry, config: Config) -> str:
    if not entry.key:
        return "needs none"
    return f"in {config.key_variables[entry.key]}" if entry.key in config.keys else f"missing: {' or '.join(KEYS.get(entry.key, (entry.key,)))}"


def _price(entry: Entry, model: str, prices: PriceTable) -> str:
    price = prices.of(f"{entry.name}:{model}")
    return "free" if entry.free else f"{price.input:g}, {price.output:g}, {price.as_of}" if price else "unknown"


def _silent(delta: Delta) -> None:
    """With --json nothing is streamed."""


def _show(delta: Delta) -> None:
    if delta.kind == "restart":
        print(f"\n[{delta.text}]", file=sys.stderr, flush=True)
    elif delta.kind == "reasoning":
        print(delta.text, end="", file=sys.stderr, flush=True)
    elif delta.kind == "text":
        print(delta.text, end="", flush=True)
