"""The words of the papers' cards, by which a half-typed word is completed: a view of the index, with no data of its own. PostgreSQL completes by its own index."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE paper_cards_terms USING fts5vocab('paper_cards', 'row')")
