"""A socket to serve on, taken before anything else is begun."""

import socket

from comfypipe.errors import BackendUnavailable


def listen(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens; port 0 takes a free one.

    Raises:
        BackendUnavailable: The address is unknown, or taken.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # asyncio turns off Nagle's delay (40 ms a reply) only for sockets that say that they are TCP's
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(2048)  # before it, two servers could have the same port
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise BackendUnavailable(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="take another port: --port 0 finds a free one"
        ) from error
    return listener
