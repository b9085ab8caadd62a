"""Files: uploaded, and given out under URLs that open without a key."""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Path as PathParameter
from starlette.responses import FileResponse, Response

from comfypipe.execution.media import media_type
from comfypipe.manifest.values import safe_filename
from comfypipe.service.access import base_url, service_of
from comfypipe.service.documents import Responses, errors
from comfypipe.service.errors import Problem, unknown
from comfypipe.service.ids import new_id
from comfypipe.service.json_bodies import json_reply
from comfypipe.service.keys import allowed
from comfypipe.service.keys.audit import AuditRow, record
from comfypipe.service.keys.authenticate import client_address
from comfypipe.service.links import FileLink
from comfypipe.service.principal import Principal
from comfypipe.service.rows import UploadRow
from comfypipe.service.runs import find_run
from comfypipe.service.schemas import UploadObject
from comfypipe.service.state import Parts
from comfypipe.service.thumbnails import thumbnail_of
from comfypipe.service.times import iso, now_ms
from comfypipe.service.uploads import add_upload, find_upload, find_uploads
from comfypipe.store.artifacts import Artifact
from comfypipe.store.connection import Connection

router = APIRouter(tags=["files"])

_SCRIPTABLE = frozenset({".html", ".htm", ".xhtml", ".svg", ".xml", ".js", ".mjs", ".css"})
"""What a browser might run in this origin: given as plain bytes, to be saved."""

_BINARY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_FILE: Responses = {
    200: {"content": {"*/*": _BYTES}, "description": "The file."},
    206: {"content": {"*/*": _BYTES}, "description": "A part of it."},
    304: {"description": "The client has it."},
    416: {"description": "There is no such part."},
}
_PICTURE: Responses = {**_FILE, 200: {"content": {"image/webp": _BYTES}, "description": "The picture."}}

Digest = Annotated[str | None, Query(pattern="^[0-9a-fA-F]{64}$", description="SHA-256 of the bytes, as hex.")]


@dataclass(frozen=True, slots=True)
class SignedPath:
    """
    The path of a file that opens without a key.

    Attributes:
        filename: What it is called; does not count.
    """

    owner: Annotated[str, PathParameter(max_length=64)]
    position: Annotated[int, PathParameter(ge=0, le=999_999)]
    signature: Annotated[str, PathParameter(max_length=64)]
    filename: Annotated[str, PathParameter(max_length=1024)]

    def opens(self, parts: Parts, kind: str) -> bool:
        """Return whether it was we who gave it."""
        return parts.links.opens(FileLink(kind, self.owner, self.position), self.signature)


Signed = Annotated[SignedPath, Depends()]


@router.put("/files/{filename}", response_model=UploadObject, responses=errors(400), openapi_extra=_BINARY)
async def upload(
    request: Request,
    filename: Annotated[str, PathParameter(max_length=255, examples=["photo.png"])],
    principal: Annotated[Principal, allowed("files:write")],
    *,
    sha256: Digest = None,
) -> Response:
    """Keep the body as a file; `url` of the reply can stand in a run's `files`, and as an input."""
    parts = service_of(request).parts
    artifact, kind = await _received(parts, request, filename, sha256)
    at_ms, name = now_ms(), safe_filename(filename)
    row = UploadRow(new_id(), principal.tenant, artifact.sha256, name, kind, artifact.size_bytes, at_ms, at_ms)
    audit = AuditRow(row.created_ms, row.tenant, principal.key_id, "file.upload", row.id, client_address(request))

    def write(connection: Connection) -> UploadRow:
        kept = add_upload(connection, row)
        if kept is row:
            record(connection, audit)
        return kept

    return json_reply(_shown(request, await parts.worker.write(write)))


@router.get("/files", response_model=list[UploadObject], responses=errors())
async def list_uploads(
    request: Request,
    principal: Annotated[Principal, allowed("files:read")],
    *,
    sha256: Digest = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """Return the tenant's uploads, newest first; with `sha256` those that have these bytes."""
    worker = service_of(request).parts.worker
    digest = sha256.lower() if sha256 else None
    found = await worker.read(lambda connection: find_uploads(connection, principal.tenant, digest, limit))
    return json_reply([_shown(request, each) for each in found])


@router.head("/uploads/{owner}/{position}/{signature}/{filename}", include_in_schema=False)
@router.get(
    "/uploads/{owner}/{position}/{signature}/{filename}",
    response_class=FileResponse,
    responses={**_FILE, **errors(404)},
)
async def get_upload(request: Request, at: Signed) -> Response:
    """Return an uploaded file; needs no key: the URL is its own."""
    parts = service_of(request).parts
    if not at.opens(parts, "uploads"):
        raise unknown("file")
    found = await parts.worker.read(lambda connection: find_upload(connection, at.owner))
    if found is None:
        raise unknown("file")
    return _file(request, parts, found.sha256, found.filename, found.media_type)


@router.head("/outputs/{owner}/{position}/{signature}/{filename}", include_in_schema=False)
@router.get(
    "/outputs/{owner}/{position}/{signature}/{filename}",
    response_class=FileResponse,
    responses={**_FILE, **errors(404)},
)
async def get_output(request: Request, at: Signed) -> Response:
    """Return a file that a run saved; needs no key: the URL is its own."""
    parts = service_of(request).parts
    file = await _output(parts, at, "outputs")
    return _file(request, parts, file["sha256"], file["filename"], file["media_type"])


@router.head("/thumbnails/{owner}/{position}/{signature}/{filename}", include_in_schema=False)
@router.get(
    "/thumbnails/{owner}/{position}/{signature}/{filename}",
    response_class=FileResponse,
    responses={**_PICTURE, **errors(404)},
)
async def get_thumbnail(request: Request, at: Signed) -> Response:
    """Return a small picture of a file that a run saved; needs no key: the URL is its own."""
    parts = service_of(request).parts
    file = await _output(parts, at, "thumbnails")
    path = await thumbnail_of(parts, file)
    return _given(request, path, f"{file['sha256']}-thumbnail", "thumbnail.webp", "image/webp")


async def _received(parts: Parts, request: Request, filename: str, sha256: str | None) -> tuple[Artifact, str]:
    """Return the body, which is in the store now, and its media type."""
    with parts.artifacts.incoming() as path:
        digest = await _write(request, path, parts.settings.upload_bytes)
        if sha256 is not None and digest != sha256.lower():
            raise Problem(400, "wrong-digest", f"the SHA-256 of the body is {digest}, not {sha256.lower()}")
        kind = await asyncio.to_thread(media_type, path, filename)
        return await asyncio.to_thread(parts.artifacts.adopt, path), kind


async def _write(request: Request, path: Path, most_bytes: int) -> str:
    """Write the body to *path* as it comes, and return its SHA-256, as hex."""
    declared = request.headers.get("content-length", "0")
    too_large = Problem(413, "too-large", f"the file is too large: at most {most_bytes} bytes are taken")
    if declared.isdigit() and int(declared) > most_bytes:
        raise too_large
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("wb") as file:
        async for chunk in request.stream():
            size_bytes += len(chunk)
            if size_bytes > most_bytes:
                raise too_large
            digest.update(chunk)
            await asyncio.to_thread(file.write, chunk)
    return digest.hexdigest()


def _shown(request: Request, upload: UploadRow) -> dict[str, object]:
    path = service_of(request).parts.links.path(FileLink("uploads", upload.id), upload.filename)
    return {
        "id": upload.id,
        "sha256": upload.sha256,
        "filename": upload.filename,
        "media_type": upload.media_type,
        "size_bytes": upload.size_bytes,
        "url": f"{base_url(request)}{path}",
        "created_at": iso(upload.created_ms),
    }


async def _output(parts: Parts, at: SignedPath, kind: str) -> dict[str, str]:
    """Return a file of a run, as its row keeps it."""
    run = None
    if at.opens(parts, kind):
        run = await parts.worker.read(lambda connection: find_run(connection, at.owner))
    files = (run.output if run is not None else None) or []
    if at.position >= len(files):
        raise unknown("file")
    file: dict[str, str] = files[at.position]
    return file


def _file(request: Request, parts: Parts, sha256: str, filename: str, kind: str) -> Response:
    return _given(request, parts.artifacts.place(sha256), sha256, filename, kind)


def _given(request: Request, path: Path, tag: str, filename: str, kind: str) -> Response:
    """Return a file: whole, in part, or (when the client has it) that it has not changed, which files never do."""
    if not path.is_file():
        raise unknown("file")
    scriptable = Path(filename).suffix.lower() in _SCRIPTABLE
    headers = {
        "ETag": f'"{tag}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    if _has_it(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return FileResponse(
        path,
        headers=headers,
        media_type="application/octet-stream" if scriptable else kind,
        filename=filename,
        content_disposition_type="attachment" if scriptable else "inline",
    )


def _has_it(header: str | None, tag: str) -> bool:
    return header is not None and (header.strip() == "*" or tag in re.findall(r'"([^"]*)"', header))
