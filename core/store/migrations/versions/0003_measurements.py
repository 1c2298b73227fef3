"""Held-out loss along the curve, scores by task, document and test split, audits, probes, timed runs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("curve_points", sa.Column("held_out", sa.Double(), nullable=True))
    op.create_table("task_scores",
        sa.Column("verification_id", SERIAL, nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("items", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["verification_id"], ["verifications.id"], ),
        sa.PrimaryKeyConstraint("verification_id", "task")
    )
    op.create_table("document_scores",
        sa.Column("verification_id", SERIAL, nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["verification_id"], ["verifications.id"], ),
        sa.PrimaryKeyConstraint("verification_id", "split")
    )
    op.create_table("test_scores",
        sa.Column("verification_id", SERIAL, nullable=False),
        sa.Column("bits_per_byte", sa.Double(), nullable=False),
        sa.Column("bits_per_byte_se", sa.Double(), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["verification_id"], ["verifications.id"], ),
        sa.PrimaryKeyConstraint("verification_id")
    )
    op.create_table("audits",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("verification_id", SERIAL, nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["verification_id"], ["verifications.id"], ),
        sa.PrimaryKeyConstraint("id")
    )
    op.create_index("ix_audits_verification_id", "audits", ["verification_id"], unique=False)
    op.create_table("probes",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("design_id", sa.Text(), nullable=False),
        sa.Column("implementation_id", SERIAL, nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("provenance", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["design_id"], ["designs.id"], ),
        sa.ForeignKeyConstraint(["implementation_id"], ["implementations.id"], ),
        sa.PrimaryKeyConstraint("id")
    )
    op.create_index("ix_probes_design_id", "probes", ["design_id"], unique=False)
    op.create_index("ix_probes_implementation_id", "probes", ["implementation_id"], unique=False)
    op.create_table("timings",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("scale", sa.Text(), nullable=False),
        sa.Column("shape", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id")
    )
    op.create_index("ix_timings_code_hash", "timings", ["code_hash"], unique=False)
