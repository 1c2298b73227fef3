"""Every error a user may see, as one tree. Callers catch a branch; the edges (CLI, worker, page) print `str(error)`.

    ModelDiscoveryError            what happened, where, and how to mend it
    ├── UsageError                 a wrong argument or name                        (exit code 2)
    ├── NotAllowed                 who asks may not: their role, their password, or a wait
    ├── ConfigError                the surroundings: directories, ports, keys
    ├── StoreError                 the database
    │   ├── NotFound               no row of that name
    │   ├── Conflict               somebody else was first
    │   ├── NewerDatabase          written by a later version of this program
    │   └── BudgetExceeded         the ledger has not enough left
    ├── JobError
    │   ├── LeaseLost              another worker owns the job now: stop writing
    │   └── Cancelled              a person asked to stop
    │       ├── Withdrawn          they refused the design that is being worked on, or sent it back
    │       └── Overtaken          they revised the proposal whose code is being written
    ├── DesignError                a block that cannot be used
    │   ├── CodeError              gab.py does not load (file, line)
    │   ├── UnitError              the unit tree does not compose
    │   ├── ContractError          a block broke the GAB contract while running
    │   └── FitError               no depth and width reach the scale's size
    ├── SandboxError               the jailed process failed
    │   ├── SandboxTimeout
    │   ├── SandboxMemory
    │   └── ChildDied
    ├── CorpusError                text that cannot be read, is empty, or too short
    ├── PaperError                 a paper's file that cannot be read, or is none
    │   └── SourceError            another library (Semantic Scholar, arXiv, …) gave no answer that can be used
    │       └── SourceLimited      it wants us to wait
    ├── LanguageModelError         a language model gave no answer (core/llm/faults.py makes them)
    │   ├── KeyRefused             the provider does not take the key, or it may not do this
    │   ├── ModelUnknown           no model of that name there
    │   ├── Unusable               it answered, but nothing that could be used, however often it was told why
    │   │   └── TooLong            the prompt does not fit into the model's context
    │   ├── QuotaSpent             the account at the provider has no money left
    │   ├── Overloaded             too many requests, or the provider is down for the moment
    │   ├── StreamCut              the answer ended before it was complete, or what came was none
    │   ├── TimedOut               nothing came for too long, or the deadline passed
    │   ├── Paused                 nothing failed: wait, and ask again with the same key
    │   │   ├── BudgetPaused       our own budget of money or tokens: top it up
    │   │   └── ProviderPaused     the provider wants more time than is worth sitting out, or no try was any good
    │   └── PriceUnknown           a budget in money, and a model that has no price in library/prices.yaml
    └── VerificationError          training or evaluation could not go on (disk, weights, tasks)
        ├── Diverged               the design's own end: its loss is no number any more
        └── StoppedEarly           hopeless beside the references' curves; only where a person asked for it
"""

from __future__ import annotations


class ModelDiscoveryError(Exception):
    """`what` happened and where; `mend` is the command, setting or change that puts it right."""

    exit_code = 1

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(what, mend)
        self.what = what
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what} — {self.mend}" if self.mend else self.what


class UsageError(ModelDiscoveryError):
    exit_code = 2


class NotAllowed(ModelDiscoveryError):
    pass


class ConfigError(ModelDiscoveryError):
    pass


class StoreError(ModelDiscoveryError):
    pass


class NotFound(StoreError):
    pass


class Conflict(StoreError):
    pass


class NewerDatabase(StoreError):
    pass


class BudgetExceeded(StoreError):
    pass


class JobError(ModelDiscoveryError):
    pass


class LeaseLost(JobError):
    pass


class Cancelled(JobError):
    pass


class Withdrawn(Cancelled):
    pass


class Overtaken(Cancelled):
    pass


class DesignError(ModelDiscoveryError):
    pass


class CodeError(DesignError):
    pass


class UnitError(DesignError):
    """`path` leads by slots from the block to the unit at fault, where there is one."""

    def __init__(self, what: str, mend: str = "", path: tuple[str, ...] | None = None) -> None:
        super().__init__(what, mend)
        self.path = path


class ContractError(DesignError):
    pass


class FitError(DesignError):
    pass


class SandboxError(ModelDiscoveryError):
    pass


class SandboxTimeout(SandboxError):
    pass


class SandboxMemory(SandboxError):
    pass


class ChildDied(SandboxError):
    pass


class CorpusError(ModelDiscoveryError):
    pass


class LanguageModelError(ModelDiscoveryError):
    """`again`: worth trying once more at the same model, `after_s` seconds from now where the provider said so.

    `unpaid`: the provider cannot have counted any tokens for it.
    """

    again_by_nature = False
    unpaid_by_nature = False

    def __init__(self, what: str, mend: str = "", again: bool | None = None, after_s: float | None = None, unpaid: bool | None = None) -> None:
        super().__init__(what, mend)
        self.again = self.again_by_nature if again is None else again
        self.after_s = after_s
        self.unpaid = self.unpaid_by_nature if unpaid is None else unpaid


class Unusable(LanguageModelError):
    """Nothing came of this one question; others may well be answered, so work goes on without it where it can."""


class KeyRefused(LanguageModelError):
    unpaid_by_nature = True


class ModelUnknown(LanguageModelError):
    unpaid_by_nature = True


class TooLong(Unusable):
    unpaid_by_nature = True


class QuotaSpent(LanguageModelError):
    unpaid_by_nature = True


class Overloaded(LanguageModelError):
    again_by_nature = True


class StreamCut(LanguageModelError):
    again_by_nature = True


class TimedOut(LanguageModelError):
    again_by_nature = True


class Paused(LanguageModelError):
    """Nothing failed: put the work aside, and ask again with the same key later; what was answered so far is stored."""

    unpaid_by_nature = True


class ProviderPaused(Paused):
    """`after_s`: when the provider will listen again."""


class BudgetPaused(Paused):
    """`account` is to be topped up by a person."""

    def __init__(self, what: str, mend: str = "", account: str = "") -> None:
        super().__init__(what, mend)
        self.account = account


class PriceUnknown(LanguageModelError):
    unpaid_by_nature = True


class PaperError(ModelDiscoveryError):
    pass


class SourceError(PaperError):
    pass


class SourceLimited(SourceError):
    """`after_s`: when it will listen again."""

    def __init__(self, what: str, mend: str = "", after_s: float = 60.0) -> None:
        super().__init__(what, mend)
        self.after_s = after_s


class VerificationError(ModelDiscoveryError):
    pass


class Unproven(VerificationError):
    """A design's probes say that a training would be wasted on it."""


class Diverged(VerificationError):
    pass


class StoppedEarly(VerificationError):
    pass
