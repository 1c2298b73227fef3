"""Every error a user may see, as one tree. Callers catch a branch; the edges (CLI, worker, page) print `str(error)`.

    ModelDiscoveryError            what happened, where, and how to mend it
    ├── UsageError                 a wrong argument or name                        (exit code 2)
    ├── ConfigError                the surroundings: directories, ports, keys
    ├── StoreError                 the database
    │   ├── NotFound               no row of that name
    │   ├── Conflict               somebody else was first
    │   ├── NewerDatabase          written by a later version of this program
    │   └── BudgetExceeded         the ledger has not enough left
    ├── JobError
    │   ├── LeaseLost              another worker owns the job now: stop writing
    │   └── Cancelled              a person asked to stop
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


class VerificationError(ModelDiscoveryError):
    pass


class Diverged(VerificationError):
    pass


class StoppedEarly(VerificationError):
    pass
