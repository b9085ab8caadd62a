"""``comfypipe keys``: who may use a service."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import typer

from comfypipe.cli.commands.serve import Data, Database, default_data, served_project
from comfypipe.cli.console import Console, columns
from comfypipe.cli.options import AsJson, ProjectFolder, Quiet
from comfypipe.errors import UsageError

if TYPE_CHECKING:
    from comfypipe.service.keys.audit import AuditRow
    from comfypipe.service.keys.records import KeyRecord
    from comfypipe.store.connection import Connection

T = TypeVar("T")

_UNITS_S = {"m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600, "y": 365 * 24 * 3600}
_LONGEST_S = 100 * _UNITS_S["y"]

Tenant: TypeAlias = Annotated[str | None, typer.Option(help="Only of this tenant.", show_default=False)]

group = typer.Typer(help="Make, list and revoke API keys of a service.", no_args_is_help=True, rich_markup_mode=None)


@group.command()
def create(
    tenant: Annotated[str, typer.Option(help="Whose runs and files it opens: keys of one tenant see the same.")],
    name: Annotated[str, typer.Option(help="What it is for, for lists.")] = "",
    scopes: Annotated[
        str | None, typer.Option(metavar="SCOPE,…", help="What it may do; default: everything.", show_default=False)
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it ends: 90d, 12h, 1y; default: never.", show_default=False),
    ] = None,
    data: Data = None,
    db: Database = None,
    project: ProjectFolder = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it. It is shown this once: only its hash is kept."""
    from comfypipe.service.keys import audit, records
    from comfypipe.service.principal import SCOPES
    from comfypipe.service.times import now_ms

    console = Console(as_json=as_json, quiet=quiet)
    records.check_tenant(tenant)
    wanted = records.check_scopes(SCOPES if scopes is None else filter(None, scopes.split(",")))
    at_ms = now_ms()
    expires_ms = None if expires is None else at_ms + 1000 * _seconds(expires)

    def make(connection: "Connection") -> "tuple[str, KeyRecord]":
        text, record = records.create(connection, tenant, name=name, scopes=wanted, expires_ms=expires_ms, now_ms=at_ms)
        row = audit.AuditRow(at_ms, tenant, None, "key.create", record.id, audit.COMMAND_LINE)
        audit.record(connection, row)
        return text, record

    text, record = _write(_location(data, db, project), make)
    console.say(f"key {record.id} of {tenant}: {', '.join(sorted(record.scopes))}; keep it, it is not shown again")
    console.result(text)
    console.document({"key": text, **record.to_json(at_ms)})


@group.command("list")
def list_(
    tenant: Tenant = None,
    data: Data = None,
    db: Database = None,
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> None:
    """List keys: their ids, never the keys themselves."""
    from comfypipe.service.keys import records
    from comfypipe.service.times import now_ms

    console, at_ms = Console(as_json=as_json), now_ms()
    found = _write(_location(data, db, project), lambda connection: records.listed(connection, tenant))
    console.document([each.to_json(at_ms) for each in found])
    console.result(columns([_key_row(each, at_ms) for each in found]) if found else "no keys")


@group.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id: what stands between cpk_ and the next _.")],
    data: Data = None,
    db: Database = None,
    project: ProjectFolder = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Revoke a key for good; a service that runs refuses it within a second."""
    from comfypipe.service.keys import audit, records
    from comfypipe.service.times import now_ms

    at_ms = now_ms()

    def end(connection: "Connection") -> "KeyRecord | None":
        before = records.find(connection, key_id)
        if before is not None and before.revoked_ms is None:
            row = audit.AuditRow(at_ms, before.tenant, None, "key.revoke", key_id, audit.COMMAND_LINE)
            audit.record(connection, row)
        return records.revoke(connection, key_id, at_ms)

    found = _write(_location(data, db, project), end)
    if found is None:
        raise UsageError(f"there is no key {key_id}", hint="`comfypipe keys list` shows the ids")
    console = Console(as_json=as_json, quiet=quiet)
    console.document(found.to_json(at_ms))
    console.say(f"revoked {key_id} of {found.tenant}")


@group.command()
def log(
    tenant: Tenant = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    data: Data = None,
    db: Database = None,
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show who did what, when and from where, the newest first."""
    from comfypipe.service.keys import audit

    console = Console(as_json=as_json)
    found = _write(_location(data, db, project), lambda connection: audit.recorded(connection, tenant, limit=limit))
    console.document([each.to_json() for each in found])
    console.result(columns([_audit_row(each) for each in found]) if found else "nothing yet")


def _location(data: Path | None, db: str | None, project: Path | None) -> Path | str:
    """Return where a service's database is, of what `comfypipe serve` would be told."""
    from comfypipe.service.settings import ServiceSettings

    return db or ServiceSettings(data or default_data(served_project(project))).location


def _write(location: Path | str, function: "Callable[[Connection], T]") -> T:
    """Return what *function* does in the service's database, in one transaction."""
    from comfypipe.service.migrations import SERVICE
    from comfypipe.store.database import open_database

    database = open_database(location, SERVICE)
    try:
        connection = database.connect()
        try:
            with connection.transaction(writes=True):
                return function(connection)
        finally:
            connection.close()
    except Exception as error:
        explained = database.explain(error, SERVICE.what)
        if explained is None:
            raise
        raise explained from error
    finally:
        database.close()


def _seconds(text: str) -> int:
    number, unit = text[:-1], text[-1:]
    seconds = int(number) * _UNITS_S[unit] if number.isdecimal() and len(number) < 8 and unit in _UNITS_S else 0
    if not 0 < seconds <= _LONGEST_S:
        raise UsageError(f'"{text}" is no time that a key can last', hint="write 30m, 12h, 90d, 8w or 1y")
    return seconds


def _key_row(record: "KeyRecord", at_ms: int) -> tuple[str, ...]:
    shown = record.to_json(at_ms)
    until = f"until {shown['expires_at']}" if shown["expires_at"] else "no end"
    return record.id, record.tenant, shown["state"], until, ",".join(shown["scopes"]), record.name


def _audit_row(row: "AuditRow") -> tuple[str, ...]:
    return str(row.to_json()["at"]), row.tenant, row.key_id or "-", row.action, row.target, row.origin
