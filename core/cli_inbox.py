"""`python -m core inbox`, and the verbs of judging that go with it: undo, send-back, forecast, prefer, defer."""

from __future__ import annotations

import argparse

from core import cli_text as text
from core.build import BuildSystem
from core.cli_work import work
from core.decided import Recent
from core.errors import UsageError
from core.inbox import Inbox

Answer = tuple[object, str, int]

IDENT = ("id", {"help": "a design's id"})
WORDS = {"nargs": "+", "metavar": "WORDS"}
INBOX = (("--passed-over", {"action": "store_true", "help": "also proposals that a session went on without"}),
         ("--record", {"action": "store_true", "help": "how good everybody's forecasts were, and how often persons, reviewers and results agree"}))
UNDO = (("decision", {"nargs": "?", "type": int, "help": "its number; without one, the last decisions are listed"}),)
SEND_BACK = (IDENT, ("words", {**WORDS, "help": "what shall be different"}))
FORECAST = (IDENT, ("probability", {"help": "that it beats the reference: 0.3 or 30%%"}), ("--scale", {"default": "", "help": "the one its session builds it at, otherwise"}),
            ("--reference", {"default": "gpt2"}))
PREFER = (("better", {"help": "the design that you would train"}), ("worse", {"nargs": "+", "metavar": "ID", "help": "rather than these"}))
DEFER = (("item", {"help": "an item's key, as the inbox lists it"}), ("--back", {"action": "store_true", "help": "back into the inbox"}))


def inbox(args: argparse.Namespace) -> Answer:
    """What waits for a person."""
    desk = BuildSystem().open()
    if args.record:
        records, agreed = desk.calibration(), desk.agreement()
        data = {"forecasters": [{"who": r.who, "person": r.person, "brier": r.brier, "scored": len(r.scored), "forecasts": r.forecasts, "bins": r.bins} for r in records], "agreement": agreed}
        rows = [(r.who, "person" if r.person else "reviewer", len(r.forecasts), len(r.scored), "—" if r.brier is None else f"{r.brier:.3f}") for r in records]
        pairs = [("person and reviewer", agreed.person_reviewer), ("person and result", agreed.person_result), ("reviewer and result", agreed.reviewer_result)]
        told = "; ".join(f"{name} {same} of {n}" for name, (n, same) in pairs if n) or "nothing to compare yet"
        return data, f"{text.table(('who', '', 'forecasts', 'scored', 'Brier'), rows)}\npairs in the same order: {told}", 0
    found = desk.inbox(args.passed_over)
    return {"items": found.items, "deferred": found.deferred, "with_agents": found.with_agents}, _listed(found), 0


def _listed(found: Inbox) -> str:
    if not found.items:
        return "nothing waits for you" + (f"; {len(found.deferred)} put off" if found.deferred else "; start a session: python -m core design --parents gpt2,llama")
    rows = [(i.kind, i.key, _short(i.title, 48), _short(i.why, 70)) for i in found.items]
    after = [f"with their designers: {', '.join(found.with_agents)}"] if found.with_agents else []
    after += [f"{len(found.deferred)} put off"] if found.deferred else []
    return "\n".join([text.table(("what", "key", "title", "why"), rows), *after])


def _short(words: str, most: int) -> str:
    line = " ".join(words.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def undo(args: argparse.Namespace) -> Answer:
    """Take a decision back, or list the last ones."""
    desk = BuildSystem().open()
    if args.decision is None:
        found = desk.recent(20)
        rows = [(_numbers(r.ids), r.decision.author, r.words, _short(r.decision.reason, 50), _state(r)) for r in found]
        return found, text.table(("number", "who", "what", "why", ""), rows) if rows else "nobody has decided anything yet", 0
    decision = desk.store.decisions.get(args.decision)
    made = desk.undo(decision.id)
    return made, f"decision {decision.id} ({desk.told(decision)}) is taken back", 0


def _numbers(ids: list[int]) -> str:
    return str(ids[0]) if len(ids) == 1 else f"{ids[-1]}–{ids[0]}"


def _state(r: Recent) -> str:
    return f"taken back by {r.undone_by}" if r.undone_by else "" if not r.fixed else f"stays: {r.fixed}"


def send_back(args: argparse.Namespace) -> Answer:
    """Have a proposal's designer revise it with these words; it is reviewed again."""
    desk = BuildSystem().open()
    before = desk.store.proposals.newest(args.id)
    desk.send_back(args.id, " ".join(args.words))
    done = work(desk, desk.queue.of([f"revise:{args.id}"])[0])
    now = desk.store.proposals.newest(args.id)
    if now is None or before is None or now.revision == before.revision:
        return {"design": args.id, "revision": None, "job": done.id}, f"{args.id}: its designer stands by revision {before.revision if before else 1}", 0
    rating = desk.store.designs.get(args.id).rating
    rated = "" if rating is None else f", rated {rating:.1f} of 5"
    return {"design": args.id, "revision": now.revision, "title": now.title, "rating": rating}, f"{args.id}: revision {now.revision}{rated}: {now.title}", 0


def forecast(args: argparse.Namespace) -> Answer:
    """Say how likely a design is to beat the reference; scored once both are measured."""
    desk = BuildSystem().open()
    made = desk.foretell(args.id, _probability(args.probability), args.scale, args.reference)
    return made, f"{made.data['probability']:.0%} that {args.id} beats {made.data['reference']} at {made.data['scale']}", 0


def _probability(words: str) -> float:
    number, percent = words.strip().removesuffix("%").strip(), words.strip().endswith("%")
    try:
        return float(number) / (100 if percent else 1)
    except ValueError:
        raise UsageError(f"{words!r} is no probability", "for instance 0.3 or 30%") from None


def prefer(args: argparse.Namespace) -> Answer:
    """Which one you would train, rather than others."""
    desk = BuildSystem().open()
    made = desk.prefer(args.better, args.worse)
    found = desk.strengths([args.better, *args.worse])
    return {"decision": made, "strengths": found}, f"{args.better} rather than {', '.join(args.worse)}: " + ", ".join(f"{name} {s:.2f}" for name, s in sorted(found.items(), key=lambda p: -p[1])), 0


def defer(args: argparse.Namespace) -> Answer:
    """Put an item off until something about it changes."""
    desk = BuildSystem().open()
    found = desk.inbox(passed_over=True)
    item = next((i for i in (*found.items, *found.deferred) if args.item in (i.key, i.design)), None)
    if item is None:
        raise UsageError(f"nothing of the key {args.item!r} waits", "list what does: python -m core inbox")
    made = desk.defer(item.key, item.mark, not args.back, item.design or None)
    return made, f"{item.key}: {'back in the inbox' if args.back else 'put off until something about it changes'}", 0
