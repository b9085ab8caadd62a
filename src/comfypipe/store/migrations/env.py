"""What Alembic runs to apply migrations: inside the transaction of the connection that it is given."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=True,  # SQLite can: an upgrade that breaks off leaves the database as it was
    render_as_batch=True,
)
context.run_migrations()
