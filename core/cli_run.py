"""`python -m core evolve, runs, run …`: runs of ALG 1 from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from core import cli_agents
from core import cli_text as text
from core.budgets import FORMS, Ends, parse_design, parse_target, parse_verify
from core.build import BuildSystem, make_selector
from core.cli_work import work
from core.desk import Desk
from core.errors import UsageError
from core.gab.scales import get_scale
from core.gates import FORM, parse_gates
from core.jobs.hands import subjects
from core.run_view import RunView
from core.types import Act, Job

Answer = tuple[object, str, int]

WHAT = "show, report, measures, pause, resume, step, stop, gate, let, hold, choose, skip, end, confirm"
RUN = (("action", {"choices": WHAT.split(", "), "metavar": "ACTION", "help": WHAT}), ("run_id", {"metavar": "RUN", "help": "a run's id"}),
       ("words", {"nargs": "*", "metavar": "WORDS", "help": "gate: STEP=RULE; let, hold: what waits; choose: design=A,B or verify=DESIGN@SCALE; skip: a session, a design, or nothing: the verification; confirm: nothing; end: SCALE=GAIN, patience=K, or never"}),
       ("--reason", {"default": "", "help": "let, hold, skip: why"}), ("--out", {"default": "", "metavar": "FILE", "help": "report: write it there, as Markdown"}))
BUDGETS = (
    ("--design-budget", {"default": "4", "metavar": "AMOUNT", "help": f"for designing: {FORMS}"}),
    ("--verify-budget", {"action": "append", "default": [], "metavar": "SCALE=N", "help": "verifications at a scale; SCALE=25%% lets it grow with the rung below"}),
    ("--ladder", {"default": "", "metavar": "SCALES", "help": "as many verifications as fit the design budget, narrowing upward: nano,micro"}),
    ("--target", {"default": "", "metavar": "SCALE=GAIN", "help": "end when a design of its own beats the reference there by so many bits per byte"}),
    ("--patience", {"type": int, "default": 0, "metavar": "K", "help": "end when K verifications in a row brought nothing better"}),
    ("--designs-at-once", {"type": int, "default": 0, "metavar": "N", "help": "sessions at the same time, where there are workers; by itself 1, or 2 where language models are asked"}),
    ("--verifications-at-once", {"type": int, "default": 0, "metavar": "N", "help": "trainings at the same time; by itself 1; more where workers have a device each (DEVICE)"}))
GATES = ("--gates", {"action": "append", "default": [], "metavar": "STEP=RULE", "help": f"where it waits for you; {FORM}"})


def evolve(args: argparse.Namespace) -> Answer:
    make_selector(args.selector, args.seed, [])
    system = BuildSystem()
    desk = system.open()
    before = len(desk.store.designs.all())
    limit = parse_design(args.design_budget)
    verify, shares = parse_verify(args.verify_budget)
    if args.ladder:
        names = [part.strip() for part in args.ladder.split(",") if part.strip()]
        for name in names:
            get_scale(desk.scales, name)
        verify = {**desk.suggested(limit.sessions or 8, min(args.implement, args.n), names), **verify}
    at_once = {act: most for act, most in ((Act.DESIGN, args.designs_at_once), (Act.VERIFY, args.verifications_at_once)) if most}
    ends = Ends(*(parse_target(args.target) if args.target else ("", 0.0)), args.patience)
    job = desk.evolve(limit, verify, args.seed, "ask" if args.ask else "auto", args.n, min(args.implement, args.n), args.corpus, args.selector, args.instructions, args.agents,
                      args.money, args.tokens, parse_gates(args.gates), ends, shares, at_once)
    if args.detach:
        return {"run": job.subject, "job": job.id}, f"{job.subject} is queued: a worker takes it up\nnext: python -m core run show {job.subject}", 0
    done = work(desk, job)
    while left := [other for other in desk.queue.live_of(subjects(job.subject)) if not other.resting]:      # other workers are at it too
        done = work(desk, left[0])
    found = system.found(desk.store, job.subject)
    accounts = {a.name.split("/")[1]: a.spent for a in desk.store.ledger.accounts() if a.name.startswith(f"{job.subject}/")}
    data = {"run": job.subject, "outcome": done.result["outcome"], "new_designs": len(desk.store.designs.all()) - before, "spent": accounts,
            "best": found.best, "scale": found.scale, "reference": found.reference, "cost": cli_agents.cost_dict(cost := desk.store.calls.spent(run=job.subject))}
    open_ = desk.store.sessions.open(job.subject)
    data["waiting"] = [{"session": s.id, "why": desk.standing(s.id)[1]} for s in open_]
    data["gated"] = desk.gated(job.subject)
    waits = "".join(f"\nsession {s.id} waits: {desk.standing(s.id)[1]}\nnext: python -m core {'resume' if desk.standing(s.id)[0] == 'paused' else 'release'} {s.id}" for s in open_)
    return data, f"{found}\nspent: {', '.join(f'{name} {amount:g}' for name, amount in accounts.items())}\n{cli_agents.cost_words(cost)}{waits}{_waiting(desk, job.subject)}", 0


def runs(args: argparse.Namespace) -> Answer:
    found = BuildSystem().open().runs()
    rows = [(r.id, r.state, f"{r.begun:%Y-%m-%d %H:%M}", " ".join(f"{name} {a.spent:g}/{a.granted:g}" for name, a in r.accounts.items()), r.words[:80]) for r in found]
    return [_dict(r) for r in found], text.table(("run", "state", "begun", "spent of its budgets", ""), rows) if found else "no runs yet: python -m core evolve", 0


def run(args: argparse.Namespace) -> Answer:
    desk = BuildSystem().open()
    desk.run_settings(args.run_id)
    if args.action == "report":
        return _report(desk, args)
    if args.action == "measures":
        found = desk.measures(args.run_id)
        return found, text.table(("measure", f"of {args.run_id}"), found.lines), 0
    acts: dict[str, Callable[[], object]] = {
        "show": lambda: None, "pause": lambda: desk.pause_run(args.run_id), "stop": lambda: desk.stop_run(args.run_id),
        "resume": lambda: desk.resume_run(args.run_id), "step": lambda: desk.step_run(args.run_id), "gate": lambda: _gate(desk, args),
        "let": lambda: [desk.let(desk.find_gated(args.run_id, word), args.reason) for word in _some(args, "what waits there, as `run show` names it")],
        "hold": lambda: [desk.hold(desk.find_gated(args.run_id, word), args.reason) for word in _some(args, "what waits there, as `run show` names it")],
        "choose": lambda: _choose(desk, args), "confirm": lambda: desk.confirm(args.run_id),
        "skip": lambda: _skip(desk, args), "end": lambda: desk.set_ends(args.run_id, _ends(_some(args, "an end, such as micro=0.02, patience=20 or never")))}
    made = acts[args.action]()
    for job in made if args.action == "confirm" else [made]:
        if isinstance(job, Job):
            work(desk, job)
    return _show(desk, args.run_id)


def _some(args: argparse.Namespace, what: str) -> list[str]:
    if not args.words:
        raise UsageError(f"run {args.action} needs {what}", f"python -m core run show {args.run_id}")
    return args.words


def _gate(desk: Desk, args: argparse.Namespace) -> None:
    for step, rule in parse_gates(_some(args, "a gate")).items():
        desk.set_gate(args.run_id, step, rule)


def _skip(desk: Desk, args: argparse.Namespace) -> object:
    what = args.words[0] if args.words else ""
    if not what or any(what in (held.subject, held.design) for held in desk.verifying(args.run_id)):
        return desk.skip_verification(args.run_id, args.reason, what)
    return desk.skip_session(args.run_id, what, args.reason)


def _ends(words: list[str]) -> Ends:
    found = Ends()
    for word in words:
        if word.startswith("patience=") and word.removeprefix("patience=").isdecimal():
            found = Ends(found.scale, found.gain, int(word.removeprefix("patience=")))
        elif word != "never":
            found = Ends(*parse_target(word), found.patience)
    return found


def _choose(desk: Desk, args: argparse.Namespace) -> None:
    for word in _some(args, "a choice"):
        kind, _, what = word.partition("=")
        design, _, scale = what.partition("@")
        if kind == "design":
            desk.choose_parents(args.run_id, [p for p in what.split(",") if p])
        elif kind == "verify" and scale:
            desk.choose_verification(args.run_id, design, scale)
        else:
            raise UsageError(f"{word!r} is no choice", "use design=gpt2,llama (parents, or none) or verify=gpt2@nano")


def _show(desk: Desk, run_id: str) -> Answer:
    found, told = desk.run(run_id), desk.forecast(run_id)
    rules, stalls, whys = desk.gate_rules(run_id), desk.stalls(run_id), desk.whys(run_id, 3)
    words = [f"{run_id}: {found.state}, {found.words}", text.table(("budget", "spent", "granted"), [(n, f"{u:g}", f"{g:g}") for n, u, g in told.parts]), told.words + (told.until if found.live else ""),
             "gates: " + ", ".join(f"{step}={rule.words}" for step, rule in rules.items())]
    words += [f"chosen by {d.author}: {d.data['act']} {d.data.get('design') or ', '.join(d.data.get('parents', ())) or 'from scratch'}" for d in desk.chosen(run_id)]
    words += [f"waits for {s.what} since {s.since:%H:%M}: {s.why}" for s in stalls]
    words += [f"last choice: {w.words}. {w.explanation.words}" for w in whys[:1]]
    data = {**_dict(found), "forecast": told, "gates": {step: rule.words for step, rule in rules.items()}, "gated": desk.gated(run_id, held=True), "stalls": stalls, "why": whys}
    return data, "\n".join(words) + _waiting(desk, run_id), 0


def _waiting(desk: Desk, run_id: str) -> str:
    return "".join(f"\nwaits at {g.step}: {g.words} ({g.why}; {g.cost})\nnext: python -m core run let {run_id} '{g.subject}', or hold" for g in desk.gated(run_id))


def _report(desk: Desk, args: argparse.Namespace) -> Answer:
    found = desk.morning(args.run_id)
    if args.out:
        try:
            Path(args.out).write_text(found.markdown(), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{args.out} cannot be written: {error.strerror}", "give another path") from error
    data = {"run": args.run_id, "headline": found.headline, "designs": found.designs, "best": found.best, "failed": found.failed, "waiting": found.waiting, "markdown": found.markdown()}
    return data, f"{args.out}: written" if args.out else found.markdown(), 0


def _dict(r: RunView) -> dict[str, object]:
    return {"run": r.id, "state": r.state, "words": r.words, "begun": r.begun, "worked": r.worked, "cost": cli_agents.cost_dict(r.spent),
            "budgets": {name: {"granted": a.granted, "spent": a.spent, "reserved": a.reserved, "left": a.left} for name, a in r.accounts.items()}, "settings": r.settings}
