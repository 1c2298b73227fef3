"""What other processes do to a store in the tests: python store_actor.py VERB DATA_DIR DATABASE_URL [ARGUMENTS]. Prints one line of JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.config import Config
from core.errors import BudgetExceeded, LeaseLost
from core.jobs import JobContext, Queue, Worker
from core.store import Store
from core.types import JobKind, Json


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


def migrate(config: Config) -> None:
    Store.open(config, migrate=True).close()
    say("open")


def reserve(config: Config, account: str, first: str, last: str) -> None:
    """Reserve one unit for each subject of a range; half of those that succeed are spent, every fourth is released."""
    store, held, refused = Store.open(config), [], 0
    for n in range(int(first), int(last)):
        try:
            store.ledger.reserve(account, f"subject {n}")
        except BudgetExceeded:
            refused += 1
            continue
        held.append(n)
        if n % 2 == 0:
            store.ledger.spend(account, f"subject {n}")
        elif n % 4 == 1:
            store.ledger.release(account, f"subject {n}")
    say({"held": held, "refused": refused})


def claim(config: Config, name: str) -> None:
    """Claim and finish jobs until there are none."""
    queue, done = Queue(Store.open(config), 30), []
    while (job := queue.claim(name)) is not None:
        done.append(job.id)
        queue.finish(job, {"by": name})
    say(done)


def hold(config: Config, name: str, lease: str) -> None:
    """Claim a job, say so, and work on it until the lease is lost."""
    store = Store.open(config)

    def work(context: JobContext) -> Json:
        say({"fence": context.job.fence})
        try:
            for n in range(3000):
                context.progress(0.5, f"step {n}")
                time.sleep(0.01)
        except LeaseLost as error:
            say({"lost": str(error)})
            raise
        return {}

    Worker(store, Queue(store, float(lease)), {JobKind.CHECK: work}, name).run_one()


if __name__ == "__main__":
    verb, data_dir, url, *arguments = sys.argv[1:]
    verbs = {"migrate": migrate, "reserve": reserve, "claim": claim, "hold": hold}
    verbs[verb](Config.from_env({"DATA_DIR": data_dir, "DATABASE_URL": url}), *arguments)
