"""What the queue's tests share: stores on each database, and a queue with a short lease."""

from __future__ import annotations

import pytest
from databases import database, postgres_server, store  # noqa: F401

from core.jobs import Queue
from core.store import Store


@pytest.fixture
def queue(store: Store) -> Queue:  # noqa: F811
    return Queue(store, lease_s=30)
