"""What a reader of a report must not overlook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from core.report.parts import Caution, Report
from core.types import OWN_RATE, TRAINING, Scale

MEMORISED = 1.25     # held-out over training loss: a training text read once gives about 1.0 (measured at nano: 0.95 to 1.05)
LEAKED = 0.8         # the other way round, held-out text is easier than what was trained on
DIVERGING = 0.02     # bits per byte by which the last watched score lies above the best one


def cautions(found: Report, scales: Mapping[str, Scale]) -> Iterator[Caution]:
    """Gravest first."""
    every = [*_score(found), *_made_with(found, scales)]
    yield from sorted(every, key=lambda w: not w.grave)


def _score(found: Report) -> Iterator[Caution]:
    if found.state in ("failed", "stopped early"):
        yield Caution(found.state, found.failure or "it ended without a score", grave=True)
    if found.audit and not found.audit.passed and found.suspect is None:
        yield Caution("audit failed", f"the causality audit of the trained weights failed, so the score does not count: {found.audit.evidence}", grave=True)
    score = found.score
    if score is None:
        return
    if found.suspect is not None:
        yield Caution("suspicious", f"suspiciously good: {found.suspect.words}", grave=not found.suspect.counts)
    if len(score.seeds) == 1:
        yield Caution("one seed", "measured with one seed only: the noise between seeds is not in its interval")
    if score.train_loss > 0 and score.loss > MEMORISED * score.train_loss:
        yield Caution("memorised", f"training loss {score.train_loss:.3f} is far below held-out loss {score.loss:.3f} nats a token: it has learned its text by heart", grave=True)
    if score.loss < LEAKED * score.train_loss:
        yield Caution("leak", f"held-out loss {score.loss:.3f} is far below training loss {score.train_loss:.3f} nats a token: the two are not of the same text, or the future leaks", grave=True)
    watched = [p.held_out for p in found.curve.points if p.held_out is not None]
    if len(watched) > 2 and watched[-1] > min(watched) + DIVERGING:
        yield Caution("overfitting", f"the watched held-out score rose from {min(watched):.3f} to {watched[-1]:.3f} bits per byte towards the end")
    if score.test and score.test.bits_per_byte > score.bits_per_byte + 3 * (score.test.bits_per_byte_se**2 + score.se_documents**2) ** 0.5:
        yield Caution("test split", f"the locked test split scored {score.test.bits_per_byte:.4f}, well above the validation score", grave=True)


def _made_with(found: Report, scales: Mapping[str, Scale]) -> Iterator[Caution]:
    facts = found.provenance
    if found.label.startswith(OWN_RATE):
        yield Caution("own rate", "trained at a learning rate found for this design: it is compared only with others that were")
    if found.layers_missing:
        yield Caution("sandbox", f"trained without these layers of the sandbox: {', '.join(found.layers_missing)}")
    if found.newest_revision > found.revision:
        yield Caution("older code", f"this is revision {found.revision} of the code; revision {found.newest_revision} is the newest")
    if str(facts.get("commit", "")).endswith("+"):
        yield Caution("dirty commit", f"made with a changed checkout ({facts['commit']}): the commit alone does not reproduce it")
    now, then = scales.get(found.scale), facts.get("scale")
    if then and now:
        swept = found.label.startswith(OWN_RATE)     # at a rate that is not the scale's, then or now
        changed = sorted(k for k in TRAINING if k in then and then[k] != getattr(now, k) and not (swept and k == "lr"))
        if changed:
            yield Caution("scale changed", f"{found.scale} was different then: {', '.join(f'{k} {then[k]} (now {getattr(now, k)})' for k in changed)}; it is compared only with what was measured so", grave=True)
    compiled = str(found.training.get("compiled", ""))
    if compiled.startswith("as it is"):
        yield Caution("not compiled", f"torch.compile failed, and the block ran {compiled}")
    if spikes := found.training.get("spikes"):
        yield Caution("spikes", f"the loss spiked at step{'s' * (len(spikes) > 1)} {', '.join(map(str, spikes[:8]))}{', …' * (len(spikes) > 8)}, and came down again")
    if skipped := [told for told in found.story if told.startswith("skipped")]:
        yield Caution("skipped", f"{len(skipped)} step{'s' * (len(skipped) > 1)} skipped, for gradients that were no numbers")
