"""The database: append-only rows in, the nouns of core/types.py out."""

from core.store.store import Store

__all__ = ["Store"]
