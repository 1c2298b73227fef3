"""`python -m core …`: parse, call the desk, print. Exit codes: 0 ok, 1 failed, 2 usage."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from core import cli_agents, cli_data, cli_inbox, cli_llm, cli_papers, cli_probe, cli_report, cli_run, cli_shape, cli_stats, cli_users
from core import cli_text as text
from core.build import BuildSystem
from core.cli_work import work as _work
from core.config import Config
from core.desk import Desk
from core.errors import ModelDiscoveryError, UsageError
from core.estimates import took
from core.gab.scales import get_scale, load_scales
from core.selection.make import SELECTORS
from core.types import DESIGN_BUDGET, Decision, Kind, Mode, Status, VerifyOptions

Answer = tuple[object, str, int]     # for --json, for a reader, exit code


def main(argv: Sequence[str]) -> int:
    args = parser().parse_args(argv)
    try:
        data, words, code = args.run(args)
    except ModelDiscoveryError as error:
        print(f"error: {error}", file=sys.stderr)
        data, words, code = {"error": error.what, "mend": error.mend}, "", error.exit_code
    except KeyboardInterrupt:
        print("stopped; what was done is kept", file=sys.stderr)
        return 130
    try:
        if args.json:
            text.print_json(data)
        elif words:
            print(words)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


# ----------------------------------------------------------------------------------------------------- surroundings


def doctor(args: argparse.Namespace) -> Answer:
    from core.doctor import examine

    findings = examine(Config.from_env())
    return [f.__dict__ for f in findings], text.findings(findings), int(any(f.state == "fail" for f in findings))


def init(args: argparse.Namespace) -> Answer:
    config = Config.from_env()
    desk = BuildSystem(config).open()
    n = len(desk.store.designs.all())
    return {"data_dir": config.data_dir, "designs": n}, f"{config.data_dir}: ready, {n} designs in the tree", 0


def worker(args: argparse.Namespace) -> Answer:
    import signal

    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    system = BuildSystem()
    desk = system.open()
    print("worker ready", file=sys.stderr, flush=True)
    system.worker(desk.store, args.name or f"worker-{os.getpid()}").run_forever(stop)
    return {"stopped": True}, "", 0


def serve(args: argparse.Namespace) -> Answer:
    from core.serve import serve as run

    return run(Config.from_env(), args.host, args.port, args.check)


# ----------------------------------------------------------------------------------------------------- looking


def designs(args: argparse.Namespace) -> Answer:
    found = _desk().store.designs.all()
    chosen = [d for d in found if args.kind in (None, d.kind) and args.status in (None, d.status)]
    return chosen, text.designs(chosen), 0


def show(args: argparse.Namespace) -> Answer:
    from core.dossier import dossier

    found = dossier(_desk().store, args.id)
    return found, text.dossier(found), 0


def jobs(args: argparse.Namespace) -> Answer:
    desk = _desk()
    if args.cancel is not None:
        desk.cancel(args.cancel)
    if args.retry is not None:
        desk.retry(args.retry)
    one = next((i for i in (args.id, args.cancel, args.retry) if i is not None), None)
    found = desk.queue.all(limit=args.limit) if one is None else [desk.queue.get(one)]
    return found, text.jobs(found, desk.queue.workers()), 0


def budget(args: argparse.Namespace) -> Answer:
    desk, woken = _desk(), []
    if args.account:
        if args.total is None:
            raise UsageError("no total given", f"python -m core budget {args.account} 20")
        woken = desk.set_budget(args.account, args.total)
    accounts = [a for a in desk.store.ledger.accounts() if "/" not in a.name or a.name == args.account]
    return [{**a.__dict__, "left": a.left} for a in accounts], text.accounts(accounts) + text.woken(woken), 0


# ----------------------------------------------------------------------------------------------------- deciding


def design(args: argparse.Namespace) -> Answer:
    desk = _desk()
    parents = [p for p in (args.parents or "").split(",") if p]
    mode = Mode.EXPLORE if args.explore else args.mode
    session = desk.start_session(
        parents, mode, args.n, min(args.implement, args.n), args.instructions, args.seed, "auto" if args.auto else "ask", args.scale, args.agents)
    job = next(j for j in desk.queue.all() if j.subject == f"session:{session.id}")
    _work(desk, job)
    return cli_agents.session_answer(desk, desk.store.sessions.get(session.id))


def release(args: argparse.Namespace) -> Answer:
    desk = _desk()
    _work(desk, desk.release(args.session))
    return cli_agents.session_answer(desk, desk.store.sessions.get(args.session))


def approve(args: argparse.Namespace) -> Answer:
    return _decided(args.id, lambda desk: desk.approve(args.id, args.reason))


def refuse(args: argparse.Namespace) -> Answer:
    return _decided(args.id, lambda desk: desk.refuse(args.id, args.reason))


def _decided(design_id: str, act: Callable[[Desk], Decision]) -> Answer:
    desk = _desk()
    made = act(desk)
    found = desk.store.designs.get(design_id)
    return found, f"{found.id}: {found.status}{cli_agents.hidden(made)}", 0


# ----------------------------------------------------------------------------------------------------- working


def implement(args: argparse.Namespace) -> Answer:
    desk = _desk()
    _work(desk, desk.implement(args.id, args.scale))
    made = desk.store.implementations.newest(args.id)
    return made, text.report(made.check), int(not made.check.passed)


def check(args: argparse.Namespace) -> Answer:
    """A design of the tree, or a gab.py."""
    path = Path(args.target)
    if path.suffix == ".py" or path.is_file():
        system = BuildSystem()
        report = system.check(_source(path), get_scale(load_scales(system.config.scales_file), args.scale), args.learn)
        if args.repair and report.repaired:
            path.write_text(report.repaired, encoding="utf-8")
            print(f"{path} was mended", file=sys.stderr)
    else:
        desk = _desk()
        _work(desk, desk.check(args.target, args.scale))
        report = desk.store.implementations.newest(args.target).check
    return report, text.report(report), int(not report.passed)


def add(args: argparse.Namespace) -> Answer:
    """A person's gab.py: checked, then a root of the tree."""
    desk = _desk()
    job = _work(desk, desk.try_code(_source(Path(args.file)), args.scale))
    report = desk.tried(job)
    if not report.passed:
        return report, text.report(report), 1
    made = desk.add_own(job.id, args.title, args.summary, args.id)
    return made, f"{text.report(report)}\n{made.id}: in the tree", 0


def costs(args: argparse.Namespace) -> Answer:
    """Of a design of the tree, or of a gab.py."""
    system = BuildSystem()
    scales = load_scales(system.config.scales_file)
    chosen = {name: get_scale(scales, name) for name in args.scale.split(",")} if args.scale else scales
    path = Path(args.target)
    if path.suffix == ".py" or path.is_file():
        found = {scale.name: cost for scale, cost in system.costs(_source(path), list(chosen.values()), text.counting)}
    else:
        desk = _desk()
        if set(chosen) - set(desk.costs(args.target)):
            _work(desk, desk.count_costs(args.target))
        found = {name: cost for name, cost in desk.costs(args.target).items() if name in chosen}
    return found, text.costs(found), 0


def export(args: argparse.Namespace) -> Answer:
    """A file, or a Hugging Face folder."""
    from core import export as exporting

    config, store = Config.from_env(), _desk().store
    out = Path(args.out or (f"{args.id}-hf" if args.format == "hf" else f"{args.id}.py")).absolute()
    if args.format == "hf":
        exporting.write_hub(store, config, args.id, out, args.verification)
    else:
        exporting.write_code(store, args.id, args.format, out)
    return {"design": args.id, "format": args.format, "path": out}, f"{out}: {exporting.FORMATS[args.format]}", 0


def verify(args: argparse.Namespace) -> Answer:
    """One seed gives one answer; several give a list, and what they say together."""
    desk = _desk()
    seeds = _seeds(args.seeds) if args.seeds else [args.seed]
    options = VerifyOptions(tuple(t for t in args.tasks.split(",") if t), args.sweep, args.early_stop, tuple(t for t in args.track.split(",") if t))
    jobs = desk.verify([args.id], args.scale, seeds, args.corpus, args.fresh, options)
    cost = desk.estimate([args.id], args.scale, len(seeds), options=options)
    print(f"about {took(cost.seconds)}, {cost.memory_mb:,.0f} MB: {cost.basis}; what is stored is not made again", file=sys.stderr, flush=True)
    rows = [desk.store.verifications.get(_work(desk, job).result["verification"]) for job in jobs]
    failed = int(any(row.failure for row in rows))
    if not args.seeds:
        return text.verification_dict(rows[0]), text.verification(rows[0]), failed
    return text.seeds_dict(rows), text.seeds(rows), failed


def _seeds(words: str) -> list[int]:
    if not all(part.isdecimal() and part.isascii() for part in words.split(",")):
        raise UsageError(f"--seeds {words!r} is no list of numbers", "for instance --seeds 0,1,2")
    return list(dict.fromkeys(int(part) for part in words.split(",")))


# ----------------------------------------------------------------------------------------------------- helpers


def _source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "give a gab.py in UTF-8, or a design's id") from error


def _desk() -> Desk:
    return BuildSystem().open()


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m core", description="Discover language-model architectures.")
    commands = top.add_subparsers(metavar="command", required=True)

    def command(run: Callable[[argparse.Namespace], Answer], help: str, *options: tuple) -> None:
        sub = commands.add_parser(run.__name__.replace("_", "-"), help=help, description=help)
        for *names, settings in options:
            sub.add_argument(*names, **settings)
        sub.add_argument("--json", action="store_true", help="print JSON")
        sub.set_defaults(run=run)

    scale = ("--scale", {"default": "nano", "help": "a rung of library/scales.yaml"})
    seed = ("--seed", {"type": int, "default": 0})
    ident = ("id", {"help": "a design's id"})
    reason = {"default": "", "help": "why, in words"}
    corpus = ("--corpus", {"help": "a corpus's name (python -m core data list), a text file or a folder; python_docs otherwise"})
    n = ("-n", "--proposals", {"dest": "n", "type": int, "help": "proposals a session (Np)"})
    ni = ("--implement", {"type": int, "default": 1, "help": "of which implemented (Ni)"})
    words = ("--instructions", {"default": "", "help": "words to the designer"})
    agents = ("--agents", {"default": "", "metavar": "TEAM", "help": "default (language models) or builtin (programs, no key); builtin otherwise"})

    command(doctor, "Say what this machine has, and what is amiss.")
    command(init, "Create the database and seed the library; safe to repeat.")
    command(designs, "List the tree.", ("--kind", {"choices": list(Kind)}), ("--status", {"choices": list(Status)}))
    command(show, "Everything about one design.", ident)
    command(design, "Run a design session: propose, review, and implement the best.",
            ("--parents", {"help": "ids, separated by commas"}), ("--mode", {"help": "mutation, crossover, scratch or explore; it follows from the number of parents otherwise"}),
            agents, ("--explore", {"action": "store_true", "help": "the instructions are an idea to explore, from the parents or from nothing"}),
            (*n[:-1], {**n[-1], "default": 3}), ni, words, ("--seed", {"type": int}), scale,
            ("--auto", {"action": "store_true", "help": "do not wait for a person's release"}))
    command(approve, "Approve a proposal.", ident, ("--reason", reason))
    command(refuse, "Refuse a proposal, with a reason.", ident, ("--reason", {**reason, "required": True}))
    command(cli_inbox.inbox, "List what waits for you.", *cli_inbox.INBOX)
    command(cli_inbox.undo, "Take a decision back, or list the last ones.", *cli_inbox.UNDO)
    command(cli_inbox.send_back, "Have a proposal's designer revise it with your words.", *cli_inbox.SEND_BACK)
    command(cli_inbox.forecast, "Say how likely a design is to beat the reference; it is scored later.", *cli_inbox.FORECAST)
    command(cli_inbox.prefer, "Say which of two or more designs you would train.", *cli_inbox.PREFER)
    command(cli_inbox.defer, "Put an item of the inbox off until something about it changes.", *cli_inbox.DEFER)
    command(cli_shape.pin, "Keep a design in play: always a possible parent, and verified up the ladder.", *cli_shape.PIN)
    command(cli_shape.boost, "Let a branch be parents more often, or less.", *cli_shape.BOOST)
    command(cli_shape.prune, "Leave a branch alone: neither parents nor verifications.", *cli_shape.PRUNE)
    command(cli_shape.tag, "Give a design a word to be found by.", *cli_shape.TAG)
    command(release, "Implement the best proposals of a session that waits.", ("session", {"help": "a session's id"}))
    command(implement, "Write and check the code of a proposal.", ident, scale)
    command(check, "Check a design, or a gab.py.", ("target", {"metavar": "FILE_OR_ID"}), scale,
            ("--learn", {"action": "store_true", "help": "also train it for a few seconds (a file only)"}),
            ("--repair", {"action": "store_true", "help": "write what could be mended into the file"}))
    command(add, "Check a gab.py of your own, and put it into the tree.", ("file", {"metavar": "FILE"}), scale,
            ("--title", {"required": True}), ("--summary", {"default": ""}), ("--id", {"default": "", "help": "made from the title otherwise"}))
    command(costs, "Count parameters, FLOPs and memory of a design, or a gab.py, before anything is trained.",
            ("target", {"metavar": "FILE_OR_ID"}), ("--scale", {"default": "", "help": "scales, separated by commas; all otherwise"}))
    command(export, "Take a design out: its gab.py, the same for Genesys, or a trained model as a Hugging Face folder.", ident,
            ("--format", {"choices": ["gab", "standalone", "genesys", "hf"], "default": "gab"}),
            ("--out", {"default": "", "metavar": "PATH", "help": "a file or folder that does not exist yet"}),
            ("--verification", {"type": int, "metavar": "N", "help": "whose weights (hf); otherwise the newest at the largest scale"}))
    command(verify, "Train and evaluate a design.", ident, scale, seed, corpus,
            ("--seeds", {"default": "", "metavar": "0,1,2", "help": "several seeds, and what they say together"}),
            ("--tasks", {"default": "minimal_pairs", "metavar": "NAMES", "help": "separated by commas: of library/tasks, or any of lm-eval's"}),
            ("--fresh", {"action": "store_true", "help": "measure again, though a result is stored"}),
            ("--sweep", {"action": "store_true", "help": "find the design's own learning rate at the cheapest scale first"}),
            ("--early-stop", {"action": "store_true", "help": "end a run that is hopeless beside the references' curves"}),
            ("--track", {"default": "", "metavar": "WHERE", "help": "tensorboard, wandb"}))
    command(cli_report.report, "Everything about verifications: scores against the reference, curves, tasks, probes, cost.", *cli_report.OPTIONS)
    command(cli_report.site, "Write the tree, or one run of it, as a folder of plain HTML pages.", *cli_report.SITE)
    command(cli_report.markdown, "One design as Markdown: proposal, units, scores, reviews, decisions, code.", *cli_report.PAPERS)
    command(cli_report.bibtex, "The papers that a design builds on, as BibTeX.", *cli_report.PAPERS)
    command(cli_stats.compare, "Is it better than the reference? A probability and a verdict.", *cli_stats.COMPARE)
    command(cli_stats.rungs, "How well each rung of the ladder foretells the next: rank correlations.", *cli_stats.RUNGS)
    command(cli_stats.ladder, "Scaling curves of designs, with bands, and where they cross.", *cli_stats.LADDER)
    command(cli_stats.noise, "The seed noise of a scale: what is known, or measured.", *cli_stats.NOISE)
    command(cli_stats.promote, "Score a verification on the locked test split, once.", *cli_stats.PROMOTE)
    command(cli_stats.audit, "List what is suspicious, or audit the trained weights of a verification.", *cli_stats.AUDIT)
    command(cli_stats.estimate, "What verifications would take: seconds, memory, FLOPs, money.", *cli_stats.ESTIMATE)
    command(cli_probe.probe, "Generated tasks that tell architectures apart in minutes.", *cli_probe.OPTIONS)
    command(cli_run.evolve, "Design and verify until the budgets are spent (ALG 1).",
            *cli_run.BUDGETS,
            seed, (*n[:-1], {**n[-1], "default": 2}), ni, corpus, words, agents, ("--selector", {"default": "bayes", "help": ", ".join(SELECTORS)}),
            ("--money", {"type": float, "metavar": "DOLLARS", "help": "what its language models may cost"}),
            ("--tokens", {"type": float, "help": "that they may take"}),
            ("--ask", {"action": "store_true", "help": "wait for a person before anything is implemented; short for --gates implement=ask"}), cli_run.GATES,
            ("--detach", {"action": "store_true", "help": "leave it to a worker"}))
    command(cli_run.runs, "List the runs of evolve.")
    command(cli_run.run, "Look at a run of evolve, or say something to it.", *cli_run.RUN)
    command(cli_data.data, "List corpora, show one, or make one ready; stopped at any time, it goes on where it was.", *cli_data.OPTIONS)
    command(cli_papers.papers, "The papers' library: search it, read in it, bring papers in.", *cli_papers.OPTIONS)
    command(cli_agents.agents, "List agents and teams, show one, try one, or list what people taught them.", *cli_agents.AGENTS)
    command(cli_agents.pause, "Stop a session's agents before their next call.", *cli_agents.PAUSE)
    command(cli_agents.resume, "Let a session go on: after a pause, or when a budget was topped up.", *cli_agents.RESUME)
    command(cli_agents.steer, "Say something to a session's agents.", *cli_agents.STEER)
    command(cli_agents.replay, "Rerun an exported session from its record, without a call.", *cli_agents.REPLAY)
    command(cli_agents.guide, "Give all agents a standing rule.", *cli_agents.GUIDE)
    command(cli_llm.ask, "Ask a language model, within the budgets.", *cli_llm.ASK)
    command(cli_llm.models, "List the providers of language models, whether there is a key, and prices.", *cli_llm.MODELS)
    command(jobs, "List jobs and workers.", ("--id", {"type": int}), ("--cancel", {"type": int, "metavar": "JOB"}),
            ("--retry", {"type": int, "metavar": "JOB"}), ("--limit", {"type": int, "default": 50}))
    command(budget, "Show the budgets, or set one.", ("account", {"nargs": "?", "help": f"{DESIGN_BUDGET}, money, tokens or a scale"}),
            ("total", {"nargs": "?", "type": float}))
    command(cli_users.users, "Say who may sign in, and with which role.", *cli_users.OPTIONS)
    command(worker, "Do jobs until stopped.", ("--name", {"default": ""}))
    command(serve, "Start the app and a worker; one Ctrl-C ends both.",
            ("--host", {"default": os.environ.get("HOST_ADDRESS", "127.0.0.1")}), ("--port", {"type": int, "default": 0}),
            ("--check", {"action": "store_true", "help": "start, wait for health, print a summary, stop"}))
    return top


