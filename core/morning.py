"""What a run did, to be read the morning after: what was made, the best against the reference, what it spent, what was refused or failed, what waits. As Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.confirming import SURE, Compare, Unconfirmed, best_of_each, is_unsure
from core.evidence import REFERENCE, Comparison, percent
from core.gates import Gated
from core.measures import Measures
from core.run_view import Progress, RunView, Stall
from core.store import Store
from core.types import Decision, Design, Json, Status, Verb, Verification

MOST = 40            # rows of one table


@dataclass(frozen=True)
class Morning:
    """`since` None: of the whole run. Bits per byte; lower is better."""

    run: RunView
    since: datetime | None
    designs: tuple[Design, ...]              # made, oldest first
    verified: tuple[Verification, ...]       # ended, oldest first
    best: tuple[Comparison, ...]             # the best design of each scale against the reference, the largest scale first
    bare: tuple[tuple[str, str, float], ...]     # (scale, design, score) where the reference was not measured
    refused: tuple[Decision, ...]
    failed: tuple[tuple[str, str], ...]      # (what, why)
    waiting: tuple[Gated, ...]
    stalls: tuple[Stall, ...]
    progress: Progress
    measures: Measures
    lacks: Unconfirmed | None                # the seeds that an unsure best still needs and can have

    @property
    def headline(self) -> str:
        if self.best:
            found = self.best[0]
            return f"{found.design_id} is its best at {found.scale}: {_mean(found.own):.4f} against {_mean(found.base):.4f} of {found.reference}, which is {found.words}."
        if self.bare:
            scale, design, score = self.bare[0]
            return f"{design} is its best at {scale}: {score:.4f} bits per byte; {REFERENCE} was not measured there, so it says little."
        made = len(self.designs)
        return f"{made} design{'' if made == 1 else 's'} made, none measured yet."

    @property
    def unsure(self) -> Comparison | None:
        """The best at the largest scale, where it looks better than the reference and fewer than SURE seeds are of both."""
        return self.best[0] if self.best and is_unsure(self.best[0]) else None

    def markdown(self) -> str:
        s, run = self.run.settings, self.run
        period = f"since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else f"from {run.begun:%Y-%m-%d %H:%M} UTC on"
        parts = [f"# Run {run.id}", f"{_text(str(run.state).capitalize())}: {_text(run.words.removeprefix(str(run.state) + ': '))}. Told of what happened {period}. Selector {_text(s['selector'])}, team "
                 f"{_text(s.get('agents', {}).get('team', {}).get('name', ''))}, seed {s['seed']}.", _text(self.headline)]
        parts += ["## The best against the reference", _table(
            ("scale", "design", "bits per byte", "reference", "difference (95 % interval)", "better with probability", "seeds"),
            [(c.scale, c.design_id, f"{_mean(c.own):.4f}", f"{c.reference} {_mean(c.base):.4f}", f"{c.difference:+.4f} ({c.low:+.4f} to {c.high:+.4f})",
              "not told while it is suspicious" if c.p_better is None else percent(c.p_better), str(len(c.own))) for c in self.best]) if self.best else "Nothing to compare yet."]
        if self.unsure:
            parts += [f"Fewer than {SURE} seeds are of both {_text(self.unsure.design_id)} and {_text(self.unsure.reference)}, and the best of many looks better than it is. "
                      + (f"To confirm it: `python -m core run confirm {run.id}`." if self.lacks else "Its other seeds ended without a score, so that cannot be confirmed.")]
        parts += [f"## Made: {len(self.designs)} design{'' if len(self.designs) == 1 else 's'}", _table(
            ("design", "title", "from", "status", "rating", "bits per byte"),
            [(d.id, d.title, ", ".join(d.parents) or "nothing", str(d.status), "" if d.rating is None else f"{d.rating:.1f}",
              ", ".join(f"{v:.4f} at {k}" for k, v in d.scores.items())) for d in self.designs[-MOST:]]) or "None."]
        parts += [f"## Verified: {len(self.verified)}", _table(
            ("design", "scale", "seed", "bits per byte (± over documents)", "seconds"),
            [(v.design_id, v.scale, str(v.seed), f"{v.metrics.bits_per_byte:.4f} ± {v.metrics.bits_per_byte_se:.4f}", f"{v.metrics.train_seconds + v.metrics.eval_seconds:.0f}")
             for v in self.verified[-MOST:] if v.metrics]) or "None."]
        parts += ["## Spent", _table(("budget", "spent", "granted"), [(name, f"{used:,.6g}", f"{granted:,.6g}") for name, used, granted in self.progress.parts])
                  + f"\n\n{_spent(run)} {_text(self.progress.words.capitalize())}."]
        parts += ["## How the search went", _table(("measure", "of the whole run"), self.measures.lines)]
        parts += [f"## Refused: {len(self.refused)}", _list([f"{d.design_id} by {d.author}: {d.reason or 'no reason given'}" for d in self.refused[-MOST:]]) or "None."]
        parts += [f"## Failed: {len(self.failed)}", _list([f"{what}: {why}" for what, why in self.failed[-MOST:]]) or "Nothing."]
        waits = [f"{g.words}: {g.why}; {g.cost}" for g in self.waiting] + [f"{x.what}: {x.why}" for x in self.stalls]
        parts += [f"## Waits for you: {len(waits)}", _list(waits) or "Nothing."]
        return "\n\n".join(parts) + "\n"


def morning(store: Store, run: RunView, measured: Measures, scales: Sequence[str], own: Sequence[Design], compare: Compare, waiting: Sequence[Gated], stalls: Sequence[Stall],
            progress: Progress, lacks: Unconfirmed | None, since: datetime | None = None) -> Morning:
    """`scales` cheapest first."""
    ids = {d.id for d in own}
    made = tuple(d for d in own if since is None or d.created_at >= since)
    begun = {(e.facts["design"], e.facts["scale"], e.facts["seed"]) for e in store.gates.read(run.id).entries.values() if e.began and "scale" in e.facts}
    ended = tuple(v for v in store.verifications.all() if v.finished_at and (v.design_id, v.scale, v.seed) in begun and not v.own_rate and v.finished_at >= (since or run.begun))
    best, bare = best_of_each(own, scales, compare)
    refused = tuple(d for d in store.decisions.all() if d.verb is Verb.REFUSE and d.design_id in ids and (since is None or d.created_at >= since))
    return Morning(run, since, made, ended, tuple(best), tuple(bare), refused, tuple(_failures(store, run.id, made, ended)), tuple(waiting), tuple(stalls), progress, measured, lacks)


def _failures(store: Store, run_id: str, designs: Sequence[Design], ended: Sequence[Verification]) -> list[tuple[str, str]]:
    found = []
    for design in designs:
        made = store.implementations.newest(design.id) if design.status is Status.FAILED else None
        if made and made.check:
            found.append((f"code of {design.id}", "; ".join(f"{r.name}: {r.evidence}" for r in made.check.failures)))
    found += [(f"{v.design_id} at {v.scale}, seed {v.seed}", v.failure) for v in ended if v.failure]
    passed: list[Json] = [e.data for e in store.events.recent(f"run:{run_id}", "passed_over", 100)]
    return found + [(f"{p['design']} at {p['scale']}", f"passed over: {p['why']}") for p in passed]


def _spent(run: RunView) -> str:
    return f"{run.spent.tries} calls to language models, {run.spent.tokens:,} tokens, {_text(run.spent.dollars)}." if run.spent.tries else "No calls to language models."


def _mean(by_seed) -> float:
    return sum(by_seed.values()) / len(by_seed)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    return "\n".join(f"| {' | '.join(map(_text, row))} |" for row in (head, *rows)).replace("\n", f"\n|{'---|' * len(head)}\n", 1)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {_text(line)}" for line in lines)


def _text(words: str) -> str:
    """On one line, shown as it stands by whoever draws Markdown."""
    flat = " ".join(words.split())[:1000]
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|$~!" else c for c in flat)
