"""`python -m core pin|boost|prune|tag`: shape what the search does with a design's branch."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from core.build import BuildSystem
from core.desk import Desk
from core.selection.wishes import words

Answer = tuple[object, str, int]

IDENT = ("design", {"help": "a design's id"})
OFF = ("--off", {"action": "store_true", "help": "take it back"})
REASON = ("--reason", {"default": "", "help": "why, in words"})
PIN = PRUNE = (IDENT, OFF, REASON)
BOOST = (IDENT, ("--factor", {"type": float, "default": 3.0, "help": "so many times as often a parent (3)"}), OFF, REASON)
TAG = (IDENT, ("tag", {"help": "a word or a few"}), OFF)


def pin(args: argparse.Namespace) -> Answer:
    return _shaped(args.design, lambda desk: desk.pin(args.design, not args.off, args.reason))


def boost(args: argparse.Namespace) -> Answer:
    return _shaped(args.design, lambda desk: desk.boost(args.design, 1.0 if args.off else args.factor, args.reason))


def prune(args: argparse.Namespace) -> Answer:
    return _shaped(args.design, lambda desk: desk.prune(args.design, not args.off, args.reason))


def tag(args: argparse.Namespace) -> Answer:
    return _shaped(args.design, lambda desk: desk.tag(args.design, args.tag, not args.off))


def _shaped(design_id: str, act: Callable[[Desk], object]) -> Answer:
    desk = BuildSystem().open()
    act(desk)
    found, bound = desk.store.designs.get(design_id), words(desk.store.tree(), desk.author)
    marks = [*(["pinned"] if found.pinned else []), *([f"boosted ×{found.boost:g}"] if found.boost != 1 else []), *(["pruned"] if found.pruned else []),
             *(f"#{word}" for word in found.tags)]
    data = {"design": design_id, "pinned": found.pinned, "boost": found.boost, "pruned": found.pruned, "tags": found.tags, "bound": bound}
    return data, "\n".join([f"{design_id}: {', '.join(marks) or 'nothing is asked of it'}", *(["the selector is bound to:", *(f"  {line}" for line in bound)] if bound else [])]), 0
