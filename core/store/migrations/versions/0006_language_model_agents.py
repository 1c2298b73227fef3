"""What proposals and reviews of language models say besides their text, who sits in a session's team, and where a person's records were used."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("proposals", sa.Column("new_units", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("reviews", sa.Column("data", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("sessions", sa.Column("team", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table("guidance_uses",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("decision_id", SERIAL, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("design_id", sa.Text(), nullable=True),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("decision_id", "key")
    )
    op.create_table("spec_revisions",
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("revision")
    )
    op.create_index("ix_spec_revisions_name", "spec_revisions", ["name"], unique=False)
