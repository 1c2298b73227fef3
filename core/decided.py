"""Decisions as a list shows them: in words, and what was decided in one gesture as one entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.gates import Rule
from core.types import Decision, Json, Verb

GESTURE = timedelta(seconds=20)      # from one decision of a batch to the next
PAST = {Verb.APPROVE: "approved", Verb.REFUSE: "refused", Verb.RESET: "took the judgement back of", Verb.SEND_BACK: "sent back", Verb.EDIT: "edited", Verb.UNDO: "took a decision back on",
        Verb.COMMENT: "commented on", Verb.RERANK: "reranked", Verb.DEFER: "put off", Verb.PREFER: "preferred", Verb.RELEASE: "released"}
OWN = ("item", "mark", "revision", "stopped")       # of a decision's data: what is another for each of a batch


@dataclass(frozen=True)
class Recent:
    """What somebody decided in one gesture."""

    decisions: tuple[Decision, ...]  # newest first; one, or those of a batch
    undone_by: str                   # "" while it counts
    fixed: str                       # why it cannot be taken back; "" where it, or a part of it, can

    @property
    def decision(self) -> Decision:
        return self.decisions[0]

    @property
    def ids(self) -> list[int]:
        return [d.id for d in self.decisions]

    @property
    def words(self) -> str:
        return in_words(self.decision, "" if len(self.decisions) == 1 else f"{len(self.decisions)} {'designs' if self.decision.design_id else 'entries'}")


def in_words(d: Decision, several: str = "") -> str:
    """In the past tense, without its author. `several`: what it was decided on, where that was more than one."""
    what = several or d.design_id or d.session_id or d.data.get("item", "")
    if d.verb is Verb.GATE and "subject" in d.data:
        return f"{'let through' if d.data['let'] else 'held'} {several or d.design_id or d.data['subject']} ({d.data['step']})"
    if d.verb is Verb.GATE:
        return f"set the gate of {d.data['run']} before {d.data['step']} to {Rule.from_dict(d.data).words}"
    if d.verb is Verb.FORECAST:
        return f"gave {what} {d.data['probability']:.0%} to beat {d.data['reference']} at {d.data['scale']}"
    return (_special(d.verb, d.data, what) or f"{PAST.get(d.verb, str(d.verb).replace('_', ' '))} {what}").strip()


def _special(verb: Verb, data: Json, what: str) -> str:
    on = data.get("on", True)
    if verb is Verb.PAUSE:
        return f"paused {what}" if on else f"had {what} do one act" if data.get("step") else f"let {what} go on"
    if verb is Verb.TAG:
        return f"tagged {what} “{data['tag']}”" if on else f"took the tag “{data['tag']}” from {what}"
    if verb is Verb.BOOST:
        return f"took the boost of {what} back" if data["factor"] == 1 else f"boosted {what} ×{data['factor']:g}"
    if verb is Verb.VIEW:
        return f"{'kept' if on else 'took away'} the view “{data.get('name', '')}”"
    if verb is Verb.CHOOSE:
        return f"{'took back' if data.get('off') else 'made'} a choice instead of the selector's in {data.get('run', '')}"
    return {Verb.STEER: f"spoke to the agents of {what}", Verb.GUIDE: "gave all agents a rule", Verb.MUTE: f"switched what was taught {'on again' if on else 'off'}",
            Verb.PROMOTE: f"had {what} scored on the test split", Verb.PIN: f"{'pinned' if on else 'unpinned'} {what}", Verb.PRUNE: f"pruned {what}" if on else f"let {what} grow again",
            Verb.DEFER: f"put {what} off" if on else f"put {what} back into the inbox"}.get(verb, "")


def gestures(decisions: Iterable[Decision], undone: Mapping[int, Decision]) -> list[list[Decision]]:
    """Of decisions, newest first: the same, said of one design after the other within moments, is one."""
    found: list[list[Decision]] = []
    for d in decisions:
        if found and _same(found[-1], d) and _by(undone, found[-1][-1]) == _by(undone, d):
            found[-1].append(d)
        else:
            found.append([d])
    return found


def _same(batch: Sequence[Decision], d: Decision) -> bool:
    last = batch[-1]
    return (d.verb, d.author, d.reason, _shared(d)) == (last.verb, last.author, last.reason, _shared(last)) and d.verb is not Verb.COMMENT \
        and last.created_at - d.created_at < GESTURE and _subject(d) not in {_subject(other) for other in batch}


def _shared(d: Decision) -> Json:
    return {k: v for k, v in d.data.items() if k not in OWN and not (d.verb is Verb.GATE and k == "subject")}


def _subject(d: Decision) -> str:
    return str(d.data.get("subject") or d.data.get("item") or d.design_id or d.session_id)


def _by(undone: Mapping[int, Decision], d: Decision) -> str:
    return undone[d.id].author if d.id in undone else ""
