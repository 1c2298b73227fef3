"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table("accounts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name")
    )
    op.create_table("designs",
        sa.Column("seq", SERIAL, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id")
    )
    op.create_index("ix_designs_session_id", "designs", ["session_id"], unique=False)
    op.create_table("events",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id")
    )
    op.create_index("ix_events_stream_id", "events", ["stream", "id"], unique=False)
    op.create_table("jobs",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id")
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "priority", "id"], unique=False)
    op.create_index("ix_jobs_subject", "jobs", ["subject"], unique=False)
    op.create_table("sessions",
        sa.Column("seq", SERIAL, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("parents", sa.JSON(), nullable=False),
        sa.Column("n_proposals", sa.Integer(), nullable=False),
        sa.Column("n_implement", sa.Integer(), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("scale", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("designer", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id")
    )
    op.create_index("ix_sessions_run_id", "sessions", ["run_id"], unique=False)
    op.create_table("workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("name")
    )
    op.create_table("decisions",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("design_id", sa.Text(), nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["design_id"], ["designs.id"], ),
        sa.PrimaryKeyConstraint("id")
    )
    op.create_index("ix_decisions_design_id", "decisions", ["design_id"], unique=False)
    op.create_index("ix_decisions_session_id", "decisions", ["session_id"], unique=False)
    op.create_table("design_parents",
        sa.Column("child_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["child_id"], ["designs.id"], ),
        sa.ForeignKeyConstraint(["parent_id"], ["designs.id"], ),
        sa.PrimaryKeyConstraint("child_id", "position")
    )
    op.create_table("implementations",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("design_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("units", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["design_id"], ["designs.id"], ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("design_id", "revision")
    )
    op.create_table("ledger",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("amount", sa.Double(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], ),
        sa.PrimaryKeyConstraint("id")
    )
    op.create_index("ix_ledger_account_subject", "ledger", ["account", "subject"], unique=False)
    op.create_table("proposals",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("design_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("by_person", sa.Boolean(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("units", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["design_id"], ["designs.id"], ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("design_id", "revision")
    )
    op.create_table("checks",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("implementation_id", SERIAL, nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["implementation_id"], ["implementations.id"], ),
        sa.PrimaryKeyConstraint("id")
    )
    op.create_index("ix_checks_implementation_id", "checks", ["implementation_id"], unique=False)
    op.create_table("reviews",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("proposal_id", SERIAL, nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("rating", sa.Double(), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], ),
        sa.PrimaryKeyConstraint("id")
    )
    op.create_index("ix_reviews_proposal_id", "reviews", ["proposal_id"], unique=False)
    op.create_table("verifications",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("design_id", sa.Text(), nullable=False),
        sa.Column("implementation_id", SERIAL, nullable=False),
        sa.Column("scale", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("corpus", sa.Text(), nullable=False),
        sa.Column("corpus_hash", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("bits_per_byte", sa.Double(), nullable=True),
        sa.Column("metrics", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("provenance", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["design_id"], ["designs.id"], ),
        sa.ForeignKeyConstraint(["implementation_id"], ["implementations.id"], ),
        sa.PrimaryKeyConstraint("id")
    )
    op.create_index("ix_verifications_design_id", "verifications", ["design_id"], unique=False)
    op.create_table("curve_points",
        sa.Column("verification_id", SERIAL, nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("loss", sa.Double(), nullable=False),
        sa.Column("bpb", sa.Double(), nullable=False),
        sa.Column("lr", sa.Double(), nullable=False),
        sa.Column("grad_norm", sa.Double(), nullable=False),
        sa.Column("tokens_per_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["verification_id"], ["verifications.id"], ),
        sa.PrimaryKeyConstraint("verification_id", "step")
    )
