"""A report in words: for a terminal, for a page's first line, and as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from core.estimates import took
from core.evidence import Ladder, percent
from core.report.parts import Report, TaskLine
from core.report.verdict import answer
from core.statistics.accuracy import ONE_SEED
from core.statistics.paired import MOST_SEEDS, Verdict

HEAD = ("verification", "design", "scale", "seed", "corpus", "section", "name", "value", "se", "chance", "n", "reference", "difference", "difference_se")


def figure(value: float | None, se: float | None = None, digits: int = 4, sign: bool = False) -> str:
    """0.1234 ± 0.0056, with a true minus; an em dash where there is none."""
    if value is None:
        return "—"
    told = (f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}").replace("-", "−")
    return told if se is None else f"{told} ± {se:.{digits}f}"


def big(value: float) -> str:
    """1234567 → 1.23 M."""
    for size, unit in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def headline(found: Report) -> str:
    """The verdict, or why there is none, in one line."""
    if found.state == "stopped early":
        return f"{found.failure[:1].upper()}{found.failure[1:]}."
    if found.state == "failed":
        return f"Failed: {found.failure or 'it ended without a score'}."
    if found.comparison is None:
        return found.no_comparison[:1].upper() + found.no_comparison[1:]
    return f"Better than {found.comparison.reference}? {answer(found.comparison)}"


def reasons(found: Report) -> str:
    """The figures behind the verdict, and what more seeds would cost."""
    c = found.comparison
    if c is None:
        return ""
    over = f"over {len(c.seeds)} seed{'s' * (len(c.seeds) > 1)}" if c.paired else "unpaired"
    told = f"{figure(c.difference, c.se, sign=True)} bits per byte {over}, negative is better (95 %: {figure(c.low, sign=True)} to {figure(c.high, sign=True)})."
    if c.more_seeds and c.more_seconds is not None:
        n = len(c.more_seeds)
        told += f" {count(n).capitalize()} more seed{'s' * (n > 1)} would take {took(c.more_seconds)}."
    elif c.verdict is Verdict.WITHIN_NOISE:
        told += f" So small a difference would take more than {MOST_SEEDS} more seeds: a larger scale tells more."
    return told


def notes(found: Report) -> tuple[str, ...]:
    return found.comparison.notes if found.comparison else ()


def count(n: int) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[n] if n < len(words) else str(n)


def score_line(found: Report) -> str:
    """Bits per byte with each of its doubts named."""
    s = found.score
    if s is None:
        return ""
    told = f"{figure(s.bits_per_byte, s.se_documents)} bits per byte (standard error over held-out documents)"
    if s.se_seeds is not None:
        told += f"; {figure(s.mean, s.se_seeds)} over {len(s.seeds)} seeds"
    return told


def scaling_lines(found: Report) -> list[str]:
    """Level and slope of each curve at its largest rung, and where the two cross."""
    return ladder_lines(found.scaling) if found.scaling else []


def ladder_lines(found: Ladder, unit: str = "parameters") -> list[str]:
    lines = [f"{c.design_id}: {figure(c.level.value)} at {big(c.points[-1].size).strip()} {unit}, slope {figure(c.slope.value, sign=True)} "
             f"({figure(c.slope.low, sign=True)} to {figure(c.slope.high, sign=True)}) bits per byte for ten times the size; {c.kind}" for c in found.curves]
    for x in found.crossings:
        if x.size is None:
            lines.append(f"{x.first} and {x.second} do not cross within a hundred times the largest size (in {percent(x.probability)} of the draws they do)")
        else:
            where = f"{big(x.size.value).strip()} {unit} ({big(x.size.low).strip()} to {big(x.size.high).strip()})"
            lines.append(f"{x.second} overtakes {x.first} at {where}, in {percent(x.probability)} of the draws{': beyond what was measured' if x.extrapolated else ''}")
    return lines


def as_text(found: Report) -> str:
    lines = [f"verification {found.verification}: {found.name}, on {found.corpus}", f"  {headline(found)} {reasons(found)}".rstrip()]
    if found.score:
        lines.append(f"  {score_line(found)}")
    if found.score and found.score.test:
        t = found.score.test
        lines.append(f"  test split     {figure(t.bits_per_byte, t.bits_per_byte_se)}, promoted by {t.author}")
    lines += [f"  {t.task:<20} {task_line(t, found.reference)}" for t in found.tasks]
    for p in found.probes:
        level = f" {p.level}" if p.level else ""
        other = f", {found.reference} {p.reference:.3f}" if p.reference is not None else ""
        lines.append(f"  {p.suite} {p.task}{level}: {p.failure or figure(p.accuracy, p.se, 3)} (chance {p.chance:.3f}{other})")
    if len(found.ladder) > 1:
        lines += [f"  at {r.scale:<6} {figure(r.mean, r.se)} ({r.seeds} seed{'s' * (r.seeds > 1)}, {big(r.params)} parameters)" for r in found.ladder]
    lines += [f"  {line}" for line in scaling_lines(found)]
    if found.cost:
        lines += [f"  {name:<20} {value}" for name, value in cost_rows(found)]
    lines += [f"  . {note}" for note in notes(found)]
    lines += [f"  ! {w.words}" for w in found.warnings]
    return "\n".join(lines)


def of_items_only(tasks: Sequence[TaskLine]) -> bool:
    """Whether some difference is of one seed: how far another would have moved it is not in its error."""
    return any(t.difference is not None and t.seeds < 2 for t in tasks)


def task_line(t: TaskLine, reference: str) -> str:
    told = f"{t.metric} {figure(t.value, t.se, 3)}" + (f", chance {t.chance:.3f}" if t.chance is not None else "") + (f", {t.n:,} items" if t.n else "")
    if t.difference is not None:
        told += f", {figure(t.difference, t.difference_se, 3, sign=True)} against {reference}" + (f" (item by item{f' over {t.seeds} seeds' if t.seeds > 1 else f', {ONE_SEED}'})" if t.paired else "")
    return told


def child(task: str, names: Sequence[str]) -> str:
    """A part of a task under its whole is named by its own name."""
    whole, _, part = task.partition("/")
    return f"· {part}" if part and whole in names else task


def cost_rows(found: Report) -> list[tuple[str, str]]:
    c = found.cost
    if c is None:
        return []
    rows = [("training", took(c.train_seconds)), ("evaluation", took(c.eval_seconds)), ("tokens", f"{c.tokens:,} at {c.tokens_per_s:,.0f} a second"),
            ("parameters", f"{c.params:,} + {c.params_embedding:,} embedding"), ("shape", f"{c.n_layers} blocks, width {c.d_model}"),
            ("peak memory", f"{c.peak_memory_mb / 1024:.2f} GB")]
    rows += [("FLOPs of the training", f"{big(c.flops)}FLOP")] if c.flops else []
    rows += [("model FLOPs utilisation", f"{c.mfu:.1%}")] if c.mfu is not None else []
    rows += [("energy", f"{c.energy_kj:,.1f} kJ")] if c.energy_kj is not None else []
    rows += [("peak learning rate", f"{c.lr:g}")] if c.lr is not None else []
    rows += [("money", f"{c.money:.4g} at {c.price_an_hour:g} an hour")] if c.money is not None else []
    return rows


def made_with(found: Report) -> list[tuple[str, str]]:
    """Versions, hashes, machine: enough to do it again."""
    facts = found.provenance
    corpus = facts.get("corpus") or {}
    rows = [("code", f"revision {found.revision}, SHA-256 {found.code_hash}"), ("weights", facts.get("weights", "")), ("corpus", f"{found.corpus}, {found.corpus_hash}"),
            ("tokenizer", corpus.get("tokenizer", "")), ("commit", facts.get("commit", "")),
            ("versions", ", ".join(f"{k} {v}" for k, v in (facts.get("versions") or {}).items())),
            ("machine", ", ".join(str(facts[k]) for k in ("machine", "device") if facts.get(k)) + (f", {facts['threads']} threads" if facts.get("threads") else "")),
            ("held out", ", ".join(f"{corpus[k]:,} {w}" for k, w in (("held_out_documents", "documents"), ("held_out_tokens", "tokens")) if corpus.get(k))),
            ("sandbox, held", ", ".join(found.layers_held)), ("sandbox, missing", ", ".join(found.layers_missing)),
            *((key.replace("_", " "), _compiled(value) if key == "compiled" else _plain(value)) for key, value in found.training.items()), ("on the way", "; ".join(found.story)),
            *((f"asked: {key}", _plain(value)) for key, value in (facts.get("options") or {}).items() if value)]
    return [(name, str(value)) for name, value in rows if value not in ("", None)]


def _compiled(value: object) -> str:
    return "yes" if value in (True, "compiled") else f"no: {value}" if value else "no"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(_plain, value)) if isinstance(value, (list, tuple)) else str(value)


def as_csv(reports: Sequence[Report]) -> str:
    """One line a figure, of any number of reports: what a spreadsheet pivots. Texts that it would take for formulas are quoted with '."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEAD)
    for found in reports:
        own = (found.verification, cell(found.design.id), found.scale, found.seed, cell(found.corpus))
        writer.writerows([*own, *("" if v is None else cell(v) for v in line)] for line in _lines(found))
    return out.getvalue()


def cell(value: object) -> object:
    """Of a table for spreadsheets: a text that would be taken for a formula is quoted with '."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _lines(found: Report) -> Iterator[Iterable[object]]:
    """section, name, value, se, chance, n, reference, difference, difference_se."""
    if s := found.score:
        v = found.comparison
        yield ("score", "bits_per_byte", s.bits_per_byte, s.se_documents, None, 1, None, None, None)
        yield ("score", "bits_per_byte_over_seeds", s.mean, s.se_seeds, None, len(s.seeds), None, v.difference if v else None, v.se if v else None)
        if v and v.p_better is not None:
            yield ("score", "p_better", v.p_better, None, None, len(v.seeds), None, None, None)
        if s.test:
            yield ("score", "test_bits_per_byte", s.test.bits_per_byte, s.test.bits_per_byte_se, None, s.test.documents, None, None, None)
    for t in found.tasks:
        yield ("task", f"{t.task}/{t.metric}", t.value, t.se, t.chance, t.n, t.reference, t.difference, t.difference_se)
    for p in found.probes:
        yield ("probe", "/".join(filter(None, (p.suite, p.task, p.level))), None if p.failure else p.accuracy, p.se, p.chance, p.seeds, p.reference, None, None)
    for r in found.ladder:
        yield ("ladder", r.scale, r.mean, r.se, None, r.seeds, r.reference, None, None)
    if c := found.cost:
        for name in ("train_seconds", "eval_seconds", "tokens", "tokens_per_s", "mfu", "peak_memory_mb", "energy_kj", "flops", "money", "params", "params_embedding"):
            if getattr(c, name) is not None:
                yield ("cost", name, getattr(c, name), None, None, None, None, None, None)
