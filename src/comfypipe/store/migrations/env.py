"""What Alembic runs to apply migrations: inside the transaction of the connection that it is given."""

from alembic import context

from comfypipe.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can: an upgrade that breaks off leaves the ledger as it was
    render_as_batch=True,
)
context.run_migrations()
