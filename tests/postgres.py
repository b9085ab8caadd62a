"""A PostgreSQL server for the tests, of the one that is installed: its own folder and port, no other's databases."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

_READY = "database system is ready to accept connections"


@dataclass(frozen=True)
class PostgresServer:
    """
    A server that runs.

    Attributes:
        process: Of its postmaster.
    """

    port: int
    password: str
    process: "subprocess.Popen[str]"

    def url(self, database: str = "postgres", scheme: str = "postgresql") -> str:
        """Return the URL of a database on it."""
        return f"{scheme}://tester:{self.password}@127.0.0.1:{self.port}/{database}"

    def make(self) -> str:
        """Make a new database, and return its URL."""
        name = f"test_{secrets.token_hex(8)}"
        self.run("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def run(self, database: str, statement: str) -> list[Any]:
        """Run a statement in a database, and return its rows."""
        engine = sa.create_engine(
            self.url(database, "postgresql+pg8000"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        with engine.connect() as connection:
            result = connection.execute(sa.text(statement))
            return list(result) if result.returns_rows else []


def programs() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs; None where none is installed."""
    on_path = shutil.which("postgres")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return debian[-1].parent if debian else Path(on_path).resolve().parent if on_path else None


@contextmanager
def running(programs: Path) -> Iterator[PostgresServer]:
    """Run a server until the end of the block. PostgreSQL refuses to run as root: there it runs as its own user."""
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="comfypipe-postgres-", ignore_cleanup_errors=True) as folder:
        password = secrets.token_hex(8)
        (Path(folder) / "password").write_text(password, "utf-8")
        if account is not None:
            for path in (folder, f"{folder}/password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        as_user: dict[str, Any] = (
            {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account is not None else {}
        )
        _make(programs, folder, as_user)
        port = _free_port()
        process = _start(programs, folder, port, as_user)
        try:
            yield PostgresServer(port, password, process)
        finally:
            _stop(process)


def _make(programs: Path, folder: str, as_user: dict[str, Any]) -> None:
    command = [str(programs / "initdb"), "-D", f"{folder}/data", "-U", "tester", "--pwfile", f"{folder}/password"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, **as_user)


def _start(programs: Path, folder: str, port: int, as_user: dict[str, Any]) -> "subprocess.Popen[str]":
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    command = [str(programs / "postgres"), "-D", f"{folder}/data"]
    command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder, **as_user
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if _READY in line:
            threading.Thread(target=_drain, args=(process,), daemon=True).start()
            return process
    process.wait()
    raise AssertionError("".join(said))


def _drain(process: "subprocess.Popen[str]") -> None:
    """Read what it says further, so that it never waits for somebody to do so."""
    assert process.stderr is not None
    for _ in process.stderr:
        pass
    process.stderr.close()


def _stop(process: "subprocess.Popen[str]") -> None:
    process.send_signal(2)  # "fast": connections are ended, not waited for
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.send_signal(3)  # "immediate"
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
