"""Choosing TCP ports on this machine."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Linux hands out 32768-60999 to outgoing connections. A server port inside that range can be taken by a client
# while the server is down, even by a client that connects to itself; so ours are taken from below it.
FIRST_PORT = 20_000
LAST_PORT = 32_000


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Say whether a server could listen on `host:port` right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that nobody listens on, below the range of outgoing connections.

    The port is not held: another process may take it before the caller does. Callers that start a server on it
    try again with a new one. Raises `OSError` when 200 tries find none.
    """
    chooser = random.SystemRandom()
    for _ in range(200):
        port = chooser.randint(FIRST_PORT, LAST_PORT)
        if is_free(port, host):
            return port
    raise OSError(f"finding a free port on {host}: 200 ports of {FIRST_PORT}-{LAST_PORT} are in use")
