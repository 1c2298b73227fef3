"""The settings of its scale with which a verification was made, from its provenance where that tells them."""

import sqlalchemy as sa
from alembic import op

from core.types import OWN_RATE, settings_of

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("verifications", sa.Column("settings", sa.Text(), nullable=False, server_default=""))
    rows = sa.table("verifications", sa.column("id"), sa.column("label"), sa.column("provenance", sa.JSON()), sa.column("settings"))
    connection = op.get_bind()
    for id, label, provenance in connection.execute(sa.select(rows.c.id, rows.c.label, rows.c.provenance)).all():
        if not label.startswith(OWN_RATE):       # whose provenance has the rate that was found, not the scale's
            connection.execute(sa.update(rows).where(rows.c.id == id).values(settings=settings_of((provenance or {}).get("scale") or {})))
