"""The query API answers to its own names alone, and its log lines are of one shape."""

import socket
from pathlib import Path

import pytest

from schemas.topics import Topics
from tests.support.kafka import TestBroker
from tests.support.processor import Processor, running_processor

pytestmark = pytest.mark.broker


def status(processor: Processor, host: str, path: str = "/live") -> int:
    """What a request with this Host header is answered."""
    address, port = processor.url.removeprefix("http://").split(":")
    with socket.create_connection(("127.0.0.1" if address == "0.0.0.0" else address, int(port)), timeout=10) as asking:
        asking.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        return int(asking.makefile("rb").readline().split()[1])


def test_another_host_is_refused_on_every_path(kafka: TestBroker, catalogue: Topics, tmp_path: Path) -> None:
    with running_processor(kafka, catalogue, tmp_path) as processor:
        assert [status(processor, host) for host in ("127.0.0.1", "localhost", "[::1]")] == [200, 200, 200]
        paths = ("/live", "/ready", "/metrics", "/v1/routing/requests", "/v1/conversations/c1", "/nosuch")
        assert {status(processor, "evil.example", path) for path in paths} == {421}


def test_on_all_addresses_every_address_and_the_allowed_names_are_ours(
    kafka: TestBroker, catalogue: Topics, tmp_path: Path
) -> None:
    options = ("--web-host", "0.0.0.0", "--web-allowed-hosts", "streams, .svc.cluster.local")
    with running_processor(kafka, catalogue, tmp_path, *options) as processor:
        hosts = ("10.1.2.3", "localhost", "streams", "a.svc.cluster.local", "evil.example")
        assert [status(processor, host) for host in hosts] == [200, 200, 200, 200, 421]
