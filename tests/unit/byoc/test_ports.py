"""Ports for servers on this machine."""

import socket

from byoc.ports import FIRST_PORT, LAST_PORT, free_port, is_free


def test_a_port_is_free_until_somebody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_free_ports_stay_below_the_ports_of_outgoing_connections():
    assert all(FIRST_PORT <= free_port() <= LAST_PORT < 32_768 for _ in range(20))
