"""`python -m core agents …`, and what a person says to a session: pause, resume, steer; guide for all that come."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from core import cli_text as text
from core.agents.spec import AgentSpec, get_spec
from core.build import BuildSystem
from core.cli_work import work
from core.desk import HIDDEN_NOTE, Desk
from core.directing import Lesson
from core.errors import UsageError
from core.llm.base import Request, Turn
from core.replay import exported
from core.talk import BuildModel
from core.types import SIDES, Decision, Session, Spent

Answer = tuple[object, str, int]

SESSION = ("session", {"help": "a session's id"})
WORDS = {"nargs": "+", "metavar": "WORDS"}
PAUSE, RESUME = (SESSION,), (SESSION,)
STEER = (SESSION, ("words", WORDS), ("--to", {"choices": list(SIDES), "default": "", "help": "those who make or those who judge alone (default: all)"}))
GUIDE = (("words", WORDS),)
REPLAY = (("file", {"help": "what `agents export SESSION` printed"}),)
AGENTS = (("action", {"nargs": "?", "choices": ["list", "show", "test", "lessons", "export"], "default": "list"}),
          ("name", {"nargs": "?", "default": "", "metavar": "NAME", "help": "an agent's; export: a session"}),
          ("--ask", {"action": "store_true", "help": "test: also send one short call to its model"}),
          ("--revision", {"default": "", "metavar": "REVISION", "help": "show: as it was then"}),
          ("--off", {"type": int, "metavar": "ID", "help": "lessons: no prompt carries it any more"}),
          ("--on", {"type": int, "metavar": "ID", "help": "lessons: prompts carry it again"}),
          ("--reword", {"nargs": "+", "default": [], "metavar": "ID WORDS", "help": "lessons: say it in other words from now on"}))
SHORT = 300          # tokens of an answer to --ask, at most


def agents(args: argparse.Namespace) -> Answer:
    """List agents; show or try one; list what was taught to them."""
    desk = BuildSystem().open()
    if args.action == "export":
        data = exported(desk.store, desk.store.sessions.get(args.name))
        return data, json.dumps(data, indent=1), 0
    if args.action in ("show", "test") and not args.name:
        raise UsageError(f"agents {args.action} needs a name", f"python -m core agents {args.action} {next(iter(desk.agents()), 'NAME')}")
    if args.action == "show":
        return _show(desk, args.name, args.revision)
    if args.action == "test":
        return _test(desk, get_spec(desk.agents(), args.name), args.ask)
    return _lessons(desk, args) if args.action == "lessons" else _list(desk)


def _list(desk: Desk) -> Answer:
    rows, data = [], []
    specs, known = desk.agents(), desk.teams()
    for spec in specs.values():
        reach = desk.reach(spec)
        told = ("needs none" if spec.engine != "model" else f"yes: {reach.models[0]}") if reach.ok else "no"
        data.append({"name": spec.name, "role": spec.role, "engine": spec.engine, "model": list(spec.models), "asks": list(reach.models), "reachable": reach.ok,
                     "lacking": reach.lacking, "revision": spec.revision, "own": desk.is_own(spec.name)})
        rows.append((spec.name, spec.role, spec.engine, ", then ".join(spec.models) or "-", told, spec.revision + (" (yours)" if desk.is_own(spec.name) else "")))
    teams = [{"name": t.name, "about": t.about, "members": dict(t.members), "rounds": t.rounds, "accept": t.accept} for t in known.values()]
    lacking = next((d["lacking"] for d in data if d["lacking"]), "")
    words = [text.table(("name", "role", "engine", "model", "reachable", "revision"), rows), "",
             *(f"team {t['name']}{' (chosen where none is named in the Studio)' if t['name'] == desk.default_team() else ''}: "
               + ", ".join(f"{role} {name}" for role, name in t["members"].items()) for t in teams), *([lacking] if lacking else [])]
    unreadable = {**{f"agent {name}": str(error) for name, error in specs.unreadable.items()}, **{f"team {name}": str(error) for name, error in known.unreadable.items()}}
    words += [f"{name} cannot be read: {error}" for name, error in unreadable.items()]
    repeating = desk.repeating()
    words += [f"{name} repeated itself in {again} of {total} reviews" for name, (again, total) in repeating.items() if again]
    return {"agents": data, "teams": teams, "default": desk.default_team(), "repeating": repeating, "unreadable": unreadable}, "\n".join(words), 0


def _show(desk: Desk, name: str, revision: str) -> Answer:
    spec = get_spec(desk.agents(), name)
    kept = desk.revisions(name)
    if revision:
        found = desk.store.specs.get(revision)
        if found.name != name:
            raise UsageError(f"revision {revision} is of {found.name}", f"see: python -m core agents show {name}")
        files = dict(found.files)
    else:
        files, revision = spec.files(), spec.revision
    data = {"name": name, "role": spec.role, "revision": revision, "files": files,
            "revisions": [{"revision": r.revision, "author": r.author or "shipped", "at": r.created_at} for r in kept]}
    parts = [f"{name}, revision {revision}{', your own version' if desk.is_own(name) and revision == spec.revision else ''}",
             *(f"\n=== {path}\n{body.rstrip()}" for path, body in files.items()),
             "\nrevisions that were used or saved: " + (", ".join(f"{r.revision} ({r.author or 'shipped'}, {r.created_at:%Y-%m-%d %H:%M})" for r in kept) or "none yet")]
    return data, "\n".join(parts), 0


def _test(desk: Desk, spec: AgentSpec, ask: bool) -> Answer:
    """Every prompt over a real brief; with `ask`, one short call."""
    tried = desk.try_agent(spec)
    data: dict[str, object] = {"name": spec.name, "prompts": dict(tried.rendered), "untried": list(tried.untried)}
    lines = [f"✓ {step}: {len(body):,} characters, {len(body.splitlines())} lines" for step, body in tried.rendered.items()]
    lines += [f"· {step}: its syntax is right; this brief does not need it" for step in tried.untried]
    if ask:
        if spec.engine != "model":
            raise UsageError(f"{spec.name} is a program and asks no model", "leave --ask out")
        data["answer"], told = _asked(desk, spec)
        lines.append(told)
    else:
        reach = desk.reach(spec)
        lines += [f"it would ask {', then '.join(reach.models)}" if reach.models else reach.lacking] if spec.engine == "model" else []
    return data, "\n".join(lines), 0


def _asked(desk: Desk, spec: AgentSpec) -> tuple[object, str]:
    model = BuildModel(spec.models, desk.config)
    try:
        told = {k: v for k, v in spec.parameters.items() if k in ("temperature", "effort", "deadline_s")}
        limit = min(int(spec.parameters.get("max_tokens", SHORT)), SHORT if not told.get("effort") else 10 * SHORT)
        answer = model.ask(Request((Turn("system", spec.about), Turn("user", "Say in one short sentence what you do.")), max_tokens=limit, **told))
        spent = model.spent()
    finally:
        model.close()
    return {"text": answer.text, "model": answer.model, **cost_dict(spent)}, f"{answer.model}: {answer.text.strip() or '(no text)'}\n{cost_words(spent)}"


def _lessons(desk: Desk, args: argparse.Namespace) -> Answer:
    for ident, on in ((args.off, False), (args.on, True)):
        if ident is not None:
            desk.teach(ident, on, _as_told(desk, ident))
    if args.reword:
        ident, *words = args.reword
        if not ident.isdecimal() or not words:
            raise UsageError(f"--reword {' '.join(args.reword)!r} is no number with words", "for instance --reword 12 no dropout anywhere")
        desk.teach(int(ident), next((x.on for x in desk.lessons() if x.decision.id == int(ident)), True), " ".join(words))
    found = desk.lessons()
    data = [{"id": x.decision.id, "kind": x.kind, "about": x.decision.design_id, "text": x.text, "by": x.decision.author, "on": x.on,
             "uses": [{"key": u.key, "design": u.design_id, "how": u.how} for u in x.uses]} for x in found]
    return data, "\n".join(map(_lesson, found)) or "nothing was taught yet: refuse with a reason, comment, edit, or python -m core guide WORDS", 0


def _as_told(desk: Desk, ident: int) -> str:
    """Words that a person gave it later stay."""
    return next((x.text for x in desk.lessons() if x.decision.id == ident and x.text != x.decision.reason), "")


def _lesson(x: Lesson) -> str:
    used = f"used in {len(x.uses)} prompt{'' if len(x.uses) == 1 else 's'}" if x.uses else "not used yet"
    heeded = [f"\n      {u.design_id or u.key}: {u.how}" for u in x.uses if u.how]
    return f"{x.decision.id:>5}  {'' if x.on else 'OFF '}{x.kind}{f' {x.decision.design_id}' if x.decision.design_id else ''}: {x.text} ({used})" + "".join(heeded)


# ------------------------------------------------------------------------------------------------ sessions


def pause(args: argparse.Namespace) -> Answer:
    BuildSystem().open().pause(args.session)
    return {"session": args.session, "paused": True}, f"session {args.session}: its agents stop before their next call; then: python -m core resume {args.session}", 0


def resume(args: argparse.Namespace) -> Answer:
    desk = BuildSystem().open()
    work(desk, desk.go_on(args.session))
    return session_answer(desk, desk.store.sessions.get(args.session))


def steer(args: argparse.Namespace) -> Answer:
    desk, words = BuildSystem().open(), " ".join(args.words)
    said = desk.steer(args.session, words, args.to)
    return {"session": args.session, "said": said.reason}, f"session {args.session} is told before its next call{hidden(said)}", 0


def guide(args: argparse.Namespace) -> Answer:
    made = BuildSystem().open().guide(" ".join(args.words))
    return {"id": made.id, "text": made.reason}, f"rule {made.id}: in every prompt from now on; python -m core agents lessons --off {made.id} ends it{hidden(made)}", 0


def hidden(made: Decision | None) -> str:
    """A line for whoever had a key in what they wrote."""
    return f"\na key was in what you wrote. {HIDDEN_NOTE}" if made and made.data.get("scrubbed") else ""


def replay(args: argparse.Namespace) -> Answer:
    """An exported session once more, from its record: nothing is called."""
    system = BuildSystem()
    session = system.replay(Path(args.file))
    return session_answer(system.open(), session)


def session_answer(desk: Desk, session: Session) -> Answer:
    """Where a session stands: its proposals best first, why it waits, and what it cost."""
    ranked, spent = desk.ranking(session.id), desk.spent(session.id)
    phase, note = desk.standing(session.id)
    waits = session.closed_at is None
    data = {"session": session.id, "waiting": waits, "phase": phase if waits else "closed", "note": note if waits else "", "team": session.team.get("name", "builtin"), "designs": ranked, "cost": cost_dict(spent)}
    hint = ""
    if waits and phase == "paused":
        hint = f"\npaused: {note}\nnext: python -m core resume {session.id}"
    elif waits:
        hint = (f"\nwaiting: {note}" if phase == "waiting" else "") + f"\nnext: python -m core approve ID, then python -m core release {session.id}"
    return data, f"session {session.id}\n{text.designs(ranked)}\n{cost_words(spent)}{hint}", 0


def cost_dict(spent: Spent) -> dict[str, object]:
    """`money` is null where a price is not known."""
    return {"calls": spent.tries, "tokens": spent.tokens, "money": None if spent.unpriced else spent.money}


def cost_words(spent: Spent) -> str:
    if not spent.tries:
        return "cost: no calls to language models"
    cached = f" ({spent.cached:,} of them from a cache)" if spent.cached else ""
    return f"cost: {spent.tries} call{'' if spent.tries == 1 else 's'}, {spent.tokens:,} tokens{cached}, {'their price is unknown' if spent.dollars == 'unknown' else spent.dollars}"
