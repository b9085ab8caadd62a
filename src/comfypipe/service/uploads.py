"""The uploads of the service's database."""

from comfypipe.service.rows import UploadRow, row_of, stored
from comfypipe.store.connection import Connection
from comfypipe.store.statements import insert, update


def add_upload(connection: Connection, upload: UploadRow) -> UploadRow:
    """Store an upload, and return it; the same file under the same name is the tenant's earlier one, used once more."""
    known = {"tenant": upload.tenant, "sha256": upload.sha256, "filename": upload.filename}
    found = connection.execute(_SAME, known)
    if found:
        update(connection, "uploads", {"id": found[0]["id"]}, {"used_ms": upload.used_ms})
        return row_of(UploadRow, found[0])
    insert(connection, "uploads", stored(upload))
    return upload


def find_upload(connection: Connection, upload_id: str) -> UploadRow | None:
    """Return an upload, whoever's it is."""
    found = connection.execute("SELECT * FROM uploads WHERE id = :id", {"id": upload_id})
    return row_of(UploadRow, found[0]) if found else None


def find_uploads(connection: Connection, tenant: str, sha256: str | None, limit: int) -> list[UploadRow]:
    """Return a tenant's uploads, newest first; all, or those of some content."""
    where = "tenant = :tenant" + ("" if sha256 is None else " AND sha256 = :sha256")
    query = f"SELECT * FROM uploads WHERE {where} ORDER BY created_ms DESC, id LIMIT :limit"  # noqa: S608  our own words
    found = connection.execute(query, {"tenant": tenant, "sha256": sha256, "limit": limit})
    return [row_of(UploadRow, each) for each in found]


_SAME = "SELECT * FROM uploads WHERE tenant = :tenant AND sha256 = :sha256 AND filename = :filename LIMIT 1"
