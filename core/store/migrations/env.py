"""Alembic's entry: it runs on the connection that the store hands over, inside the store's transaction."""

from alembic import context

from core.store import migrations
from core.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata, include_object=migrations.ours, transactional_ddl=False)
context.run_migrations()
