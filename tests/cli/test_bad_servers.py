"""`comfypipe run` against what is no good ComfyUI server: an error of the right kind, and nothing half-done."""

import datetime
import ipaddress
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.cli.conftest import Type, Typed

from comfypipe.engine.offline import object_info
from comfypipe.engine.server.faults.disguise import HOSTILE
from comfypipe.testing import engine_server

PICTURE = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": "COLOUR"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "picture"}},
}
MANIFEST = """
apiVersion: comfypipe/v1
kind: Workflow
workflow: workflows/picture.json.j2
inputs: {colour: {type: integer, default: 0}}
outputs: {image: {type: file, node: "2"}}
retry: {attempts: 1}
"""


@pytest.fixture
def picture(here: Path) -> Path:
    """Return a project with one workflow, which is the working directory."""
    for folder in ("workflows", "manifests"):
        (here / folder).mkdir()
    (here / "pyproject.toml").write_text("[tool.comfypipe]\n")
    template = json.dumps(PICTURE).replace('"COLOUR"', "{{ colour }}")
    (here / "workflows/picture.json.j2").write_text(template)
    (here / "manifests/picture.yaml").write_text(MANIFEST)
    return here


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen on a port, and answer every connection in a way of one's own."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    answer(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@contextmanager
def web(answers: Callable[[BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve HTTP."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answers(self)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answers(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  it is called so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(status: int, kind: str, body: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return what answers every request in the same way."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def run(typed: Type, url: str, *more: str) -> Typed:
    """Type the command."""
    return typed("run", "picture", "--backend", url, "--out", "out", "--json", *more)


def kind_of(result: Typed) -> str:
    """Return the type of the error that was printed."""
    found: str = result.document["error"]["type"]
    return found


def assert_nothing_written(root: Path) -> None:
    """Look for what should not be there: outputs, and files that are half written."""
    assert not (root / "out").exists() or [] == list((root / "out").iterdir())
    left = [each for each in root.rglob("*") if "partial" in each.name or each.parent.name == "incoming"]
    assert [] == left


def free_url() -> str:
    """Return the URL of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def ssh(connection: socket.socket) -> None:
    """Answer as an SSH server does: it speaks first."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    connection.settimeout(2)
    connection.recv(1000)


def hang_up(connection: socket.socket) -> None:
    """Close the connection at once."""


def cut(connection: socket.socket) -> None:
    """Announce more than is sent."""
    connection.recv(1000)
    connection.sendall(
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"EmptyImage"'
    )


HTML = b"<!doctype html><title>Welcome to nginx!</title>"
STRANGE = {
    "an HTML page": (200, "text/html", HTML, "ProtocolMismatch", "does something else listen there?"),
    "an HTML error page": (404, "text/html", HTML, "ProtocolMismatch", "is it a ComfyUI server?"),
    "an HTML page of a fault": (500, "text/html", HTML, "BackendUnavailable", "in trouble"),
    "a proxy's 502": (502, "text/html", HTML, "BackendUnavailable", "a proxy before it"),
    "a 401": (401, "text/plain", b"", "AuthenticationFailed", "credentials"),
    "another API": (200, "application/json", b'{"detail": "ok"}', "ProtocolMismatch", "a version that this"),
    "an empty object": (200, "application/json", b"{}", "ProtocolMismatch", "is it a ComfyUI server?"),
    "a list": (200, "application/json", b"[1, 2]", "ProtocolMismatch", "is it a ComfyUI server?"),
    "JSON without a bottom": (200, "application/json", b"[" * 200_000, "ProtocolMismatch", "something else"),
    "an unknown form of classes": (
        200,
        "application/json",
        b'{"EmptyImage": {"inputs": [{"name": "width"}]}}',
        "ProtocolMismatch",
        "of a version that this comfypipe knows",
    ),
    "half a character": (200, "application/json", b'{"a": "\xff"}', "ProtocolMismatch", "something else"),
    "a redirection": (302, "text/plain", b"", "ProtocolMismatch", "is it a ComfyUI server?"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_answers_strangely(what: str, picture: Path, typed: Type) -> None:
    """Status 4, an error by kind, a hint that helps, and no trace of a run's output."""
    status, kind, body, error, hint = STRANGE[what]
    with web(reply(status, kind, body)) as url:
        result = run(typed, url)
    assert (4, error) == (result.status, kind_of(result))
    assert hint in result.document["error"]["hint"]
    assert_nothing_written(picture)


@pytest.mark.parametrize(
    ("answer", "error", "hint"),
    [
        (ssh, "ProtocolMismatch", "is this the right port?"),
        (hang_up, "BackendUnavailable", "overloaded or restarting"),
        (cut, "BackendUnavailable", "overloaded or restarting"),
    ],
    ids=["an SSH server", "one that hangs up", "a truncated body"],
)
def test_what_is_no_web_server(
    answer: Callable[[socket.socket], None], error: str, hint: str, picture: Path, typed: Type
) -> None:
    """What does not speak HTTP is told from what breaks off."""
    with listening(answer) as url:
        result = run(typed, url)
    assert (4, error) == (result.status, kind_of(result))
    assert hint in result.document["error"]["hint"]
    assert_nothing_written(picture)


def test_unreachable_server(picture: Path, typed: Type) -> None:
    """The address and what to look at are named."""
    url = free_url()
    result = run(typed, url)
    assert (4, "BackendUnavailable") == (result.status, kind_of(result))
    assert url in result.document["error"]["message"]
    assert "is it running, and is this its address and port?" == result.document["error"]["hint"]
    assert_nothing_written(picture)


# TLS


@pytest.fixture
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the key and the certificate of a server that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """Return what a server with the certificate speaks with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_untrusted_certificate(picture: Path, typed: Type, tls: ssl.SSLContext) -> None:
    """A certificate that nobody vouches for is an error, which says how it can be trusted."""
    with web(reply(200, "application/json", b"{}"), tls) as url:
        result = run(typed, url)
    assert (4, "BackendUnavailable") == (result.status, kind_of(result))
    assert "name the file of its authority as ca_file" in result.document["error"]["hint"]
    assert_nothing_written(picture)


def test_certificate_that_the_project_trusts(
    picture: Path, typed: Type, tls: ssl.SSLContext, certificate: Path
) -> None:
    """With ``ca_file`` the same server is talked to: what it says is the next thing that is wrong."""
    (picture / "ca.pem").write_bytes(certificate.read_bytes())
    with web(reply(200, "application/json", b"{}"), tls) as url:
        (picture / "pyproject.toml").write_text(
            f'[tool.comfypipe]\n[tool.comfypipe.backends.gpu]\nurl = "{url}"\nca_file = "ca.pem"\n'
        )
        assert "ProtocolMismatch" == kind_of(run(typed, "gpu"))


def test_ca_file_that_is_none(picture: Path, typed: Type) -> None:
    """A file that holds no certificates is a mistake in the settings, status 2."""
    settings = (
        '[tool.comfypipe]\n[tool.comfypipe.backends.gpu]\nurl = "https://127.0.0.1"\nca_file = "pyproject.toml"\n'
    )
    (picture / "pyproject.toml").write_text(settings)
    result = run(typed, "gpu")
    assert (2, "UsageError") == (result.status, kind_of(result))


def test_https_where_plain_http_is_spoken(picture: Path, typed: Type) -> None:
    """The hint leads to the URL's scheme."""
    with web(reply(200, "application/json", b"{}")) as url:
        result = run(typed, url.replace("http:", "https:"))
    assert (4, "BackendUnavailable") == (result.status, kind_of(result))
    assert "scheme" in result.document["error"]["hint"]


def test_plain_http_where_https_is_spoken(picture: Path, typed: Type, tls: ssl.SSLContext) -> None:
    """The request is dropped, or answered with something that is no HTTP: either way, status 4."""
    with web(reply(200, "application/json", b"{}"), tls) as url:
        result = run(typed, url.replace("https:", "http:"))
    assert (4, True) == (result.status, kind_of(result) in ("BackendUnavailable", "ProtocolMismatch"))


# Files


def test_hostile_names_of_outputs(picture: Path, typed: Type) -> None:
    """Whatever the server calls its files, they lie in the output folder under the output's name."""
    outside = {each for each in picture.parent.rglob("*") if not each.is_relative_to(picture / ".comfypipe")}
    with engine_server(faults=["hostile-names=always"]) as server:
        for number, name in enumerate(HOSTILE):
            result = run(typed, server.url, "-i", f"colour={number}")
            assert (0, name) == (result.status, name), result.err
    found = {each for each in picture.parent.rglob("*") if not each.is_relative_to(picture / ".comfypipe")} - outside
    written = {each for each in found if each.is_file()}
    assert {picture / "out"} == {each.parent for each in written}
    assert [] == [each.name for each in written if not re.fullmatch(r"image(_\d+)?(\.png|\.json)?", each.name)]
    assert 2 * len(HOSTILE) == len(written)


def test_file_of_an_output_that_the_server_refuses(picture: Path, typed: Type) -> None:
    """A name that the server itself does not serve is an error of the run, and leaves nothing behind."""
    with scripted({"/view": reply(400, "text/plain", b"")}) as url:
        result = run(typed, url)
    assert (4, "BackendRejected") == (result.status, kind_of(result))
    assert_nothing_written(picture)


@contextmanager
def scripted(answers: dict[str, Callable[[BaseHTTPRequestHandler], None]]) -> Iterator[str]:
    """Serve what a run needs, with one picture at its end; *answers* take the place of some replies, by path."""
    offered = json.dumps(object_info().to_json()).encode()
    posted: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        chosen = next((each for prefix, each in answers.items() if path.startswith(prefix)), None)
        if chosen is not None:
            chosen(request)
        elif path == "/object_info":
            reply(200, "application/json", offered)(request)
        elif path == "/prompt":
            posted.append("p")
            body = json.dumps({"prompt_id": "p", "number": 0, "node_errors": {}}).encode()
            reply(200, "application/json", body)(request)
        elif path.startswith("/history"):
            status = {"status_str": "success", "completed": True, "messages": []}
            files = [{"filename": "a.png", "subfolder": "", "type": "output"}]
            entry = {"prompt": [0, "p", {}, {}, ["2"]], "outputs": {"2": {"images": files}}, "status": status}
            reply(200, "application/json", json.dumps({"p": entry} if posted else {}).encode())(request)
        elif path == "/queue" and request.command == "GET":
            reply(200, "application/json", b'{"queue_running": [], "queue_pending": []}')(request)
        else:
            reply(404, "text/html", HTML)(request)

    with web(answer) as url:
        yield url


def sparse(size_bytes: int, sent_bytes: int | None = None) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return what sends so many zeros; *sent_bytes* of them where it breaks off."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(size_bytes))
        request.end_headers()
        chunk = bytes(1 << 20)
        left = size_bytes if sent_bytes is None else sent_bytes
        while left > 0:
            request.wfile.write(chunk[:left])
            left -= len(chunk)
        if sent_bytes is not None:
            request.close_connection = True

    return answer


MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""
"""Runs a command and tells its peak, in KiB. A program of its own: what is forked counts what its parent had."""


@pytest.mark.slow
def test_output_of_two_gigabytes(picture: Path, typed: Type) -> None:
    """It arrives whole, and no more than a part of it is ever in memory."""
    size_bytes = 2 << 30
    with scripted({"/view": sparse(size_bytes)}) as url:
        command = [sys.executable, "-m", "comfypipe", "run", "picture", "--backend", url, "--json"]
        done = subprocess.run([sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    image = json.loads(done.stdout)["outputs"]["image"]
    assert size_bytes == image["size_bytes"] == Path(image["path"]).stat().st_size
    assert int(done.stderr.split()[-1]) * 1024 < 300 << 20
    Path(image["path"]).unlink()


def test_output_larger_than_it_may_be(picture: Path, typed: Type) -> None:
    """What is too large is refused before it fills the disk, and the setting is named."""
    with scripted({"/view": sparse(5_000_000)}) as url:
        settings = f'[tool.comfypipe]\n[tool.comfypipe.backends.gpu]\nurl = "{url}"\nmax_output_bytes = 1000000\n'
        (picture / "pyproject.toml").write_text(settings)
        result = run(typed, "gpu")
    assert (4, "BackendRejected") == (result.status, kind_of(result))
    assert "raise max_output_bytes" in result.document["error"]["hint"]
    assert_nothing_written(picture)


def test_output_that_always_breaks_off(picture: Path, typed: Type) -> None:
    """A file that never comes whole is not kept in part."""
    with scripted({"/view": sparse(5_000_000, 2_000_000)}) as url:
        result = run(typed, url)
    assert (4, "BackendUnavailable") == (result.status, kind_of(result))
    assert_nothing_written(picture)


HISTORIES = {
    "no list of messages": {"status": {"messages": 5}, "outputs": {}},
    "outputs that are a list": {"outputs": [1], "status": {"messages": []}},
    "files that are none": {"outputs": {"2": {"images": [{"filename": 5}, "x", None]}}},
    "a name with a zero": {"outputs": {"2": {"images": [{"filename": "a\0b", "subfolder": 7, "type": "output"}]}}},
    "everything else": {"outputs": {"2": "x"}, "status": "success", "meta": 3},
}


@pytest.mark.parametrize("what", HISTORIES)
def test_history_in_an_unknown_form(what: str, picture: Path, typed: Type) -> None:
    """The run ends with an error of ours, never with a crash."""
    body = json.dumps({"p": HISTORIES[what]}).encode()
    with scripted({"/history": reply(200, "application/json", body), "/view": reply(404, "text/html", HTML)}) as url:
        result = run(typed, url)
    assert result.status in (1, 4)
    assert "Traceback" not in result.err
    assert_nothing_written(picture)
