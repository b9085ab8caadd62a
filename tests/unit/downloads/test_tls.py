"""TLS: certificates are checked against the name of the host, though an address is connected to."""

import asyncio
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from comfypipe.downloads.guard import AddressPolicy
from comfypipe.downloads.transport import guarded_client

REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhere"


async def localhost(host: str, port: int) -> Sequence[str]:
    """Resolve every name to this machine."""
    return ["127.0.0.1"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a certificate of good.example, with its key, in one file."""
    path = tmp_path / "good.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=good.example "
        f"-addext subjectAltName=DNS:good.example -keyout {path} -out {tmp_path / 'certificate.pem'}"
    )
    try:
        subprocess.run(command.split(), check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl, to make a certificate")
    path.write_text(path.read_text() + (tmp_path / "certificate.pem").read_text())
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "status"), [("good", True, 200), ("bad", True, None), ("good", False, None)]
)
def test_certificates_are_checked(certificate: Path, host: str, trusted: bool, status: int | None) -> None:
    """A certificate of another name, or of nobody we trust, ends the connection before anything is sent."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(REPLY)
        await writer.drain()
        writer.close()

    async def ask() -> int | None:
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(certificate)
        checking = ssl.create_default_context(cafile=str(certificate)) if trusted else None
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=serving)
        port = server.sockets[0].getsockname()[1]
        origin = f"https://{host}.example:{port}"
        policy = AddressPolicy(frozenset({origin}))
        try:
            async with guarded_client(policy, resolver=localhost, verify=checking) as client:
                return (await client.get(f"{origin}/a")).status_code
        except httpx.ConnectError as error:
            assert "CERTIFICATE_VERIFY_FAILED" in str(error)  # noqa: PT017  the status says which it was
            return None
        finally:
            server.close()
            await server.wait_closed()

    assert status == asyncio.run(ask())
    assert (status is not None) == bool(asked)
