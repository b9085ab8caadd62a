"""A listener that must never be reached, at the addresses of this machine."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Canary:
    """
    Listens on every address of this machine, at one port.

    Attributes:
        connections: From where somebody connected.
    """

    port: int = 0
    connections: list[str] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Canary]:
    """Listen for as long as the block lasts; IPv4 and IPv6, where the machine has it."""
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    listener = socket.create_server(("", 0), family=family, dualstack_ipv6=family is socket.AF_INET6)
    canary = Canary(listener.getsockname()[1])

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, address = listener.accept()
                canary.connections.append(str(address))
                connection.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield canary
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(2)
