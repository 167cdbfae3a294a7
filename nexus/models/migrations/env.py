"""Alembic's entry: runs the versions on the connection that `nexus.models.migrate` holds."""

from alembic import context

from nexus.models import chats, delegation, memories, passages, projects, work
from nexus.models.columns import Table

TABLES = (chats, delegation, memories, passages, projects, work)  # imported for their tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
