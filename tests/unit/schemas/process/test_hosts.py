"""Which Host headers are ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.process.hosts import OwnHosts

EVIL = ["evil.example", "evil.example:8083", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example.", ""]

TABLE = [
    # bound, allowed, ours, not ours
    pytest.param(
        "127.0.0.1",
        (),
        ["127.0.0.1", "127.0.0.1:8083", "localhost:1", "LOCALHOST", "localhost.", "[::1]:80", "::1", "127.0.0.2"],
        [*EVIL, "10.0.0.7", "0.0.0.0", "localhost:80:80", "127.0.0.1@evil.example"],
        id="loopback",
    ),
    pytest.param("localhost", (), ["localhost:80", "127.0.0.1:80"], EVIL, id="loopback by name"),
    pytest.param("::1", (), ["[::1]", "[::1]:8083", "localhost"], [*EVIL, "[::2]"], id="loopback of IPv6"),
    pytest.param(
        "0.0.0.0",
        (),
        ["10.0.0.7:8083", "127.0.0.1", "localhost", "[fe80::1]:8083", "0.0.0.0:6066"],
        [*EVIL, "connect", "connect:8083"],
        id="all addresses",
    ),
    pytest.param("", (), ["10.0.0.7:8083", "localhost"], EVIL, id="all addresses, as an empty host"),
    pytest.param("::", (), ["[fe80::1]", "10.0.0.7"], EVIL, id="all addresses of IPv6"),
    pytest.param("10.0.0.7", (), ["10.0.0.7", "10.0.0.7:80"], [*EVIL, "10.0.0.8", "localhost"], id="one address"),
    pytest.param("connect.prod", (), ["connect.prod:80", "Connect.Prod."], [*EVIL, "prod", "10.0.0.7"], id="a name"),
    pytest.param(
        "0.0.0.0",
        ("connect", " Byoc.Prod. ", ".svc.cluster.local"),
        ["connect:8083", "byoc.prod", "connect.prod.svc.cluster.local:8083"],
        [*EVIL, "svc.cluster.local", "xsvc.cluster.local", "connect.evil.example"],
        id="allowed names",
    ),
    pytest.param("127.0.0.1", ("*",), ["evil.example", "127.0.0.1"], [], id="any name"),
]


@pytest.mark.parametrize(("bound", "allowed", "ours", "others"), TABLE)
def test_ours_are_answered_and_others_are_told_what_to_set(bound, allowed, ours, others):
    hosts = OwnHosts(bound, allowed, setting="rest.allowed.hosts")
    assert {host: hosts.refusal([host]) for host in ours} == dict.fromkeys(ours)
    for host in others:
        assert "rest.allowed.hosts" in str(hosts.refusal([host])), host


def test_two_headers_are_none_of_ours_and_no_header_is_a_health_check():
    hosts = OwnHosts("127.0.0.1", setting="s")
    assert hosts.refusal([]) is None
    assert hosts.refusal(["localhost", "evil.example"]) is not None


@given(st.text(max_size=300))
def test_any_header_has_an_answer_of_one_line(host: str):
    refusal = OwnHosts("127.0.0.1", setting="s").refusal([host])
    assert refusal is None or len(refusal.splitlines()) == 1
