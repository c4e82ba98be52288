"""Text of others: it stays on its line, and shows no user and password of a URL."""

import json
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.process.text import HIDDEN, one_line, without_userinfo

BREAKS_A_LINE = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
STEERS_A_TERMINAL = ["\x1b[2J", "\x9b2J", "\x07", "\x08", "\x00", "\x7f", "\u202e", "\u2066"]


@pytest.mark.parametrize("control", [*BREAKS_A_LINE, *STEERS_A_TERMINAL, "\ud800"])
def test_a_control_is_escaped_as_json_escapes_it(control: str):
    line = one_line(f"c1{control}2026-01-01 ERROR forged")
    assert len(line.splitlines()) == 1
    assert not any(unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") for character in line)
    assert json.loads(f'"{line}"') == f"c1{control}2026-01-01 ERROR forged"


@given(st.text(alphabet=st.characters()))
def test_any_text_is_one_line_that_can_be_written(text: str):
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    line.encode()


@pytest.mark.parametrize("text", ["c1", "héllo wörld", "日本 🙂", "a\\nb", ""])
def test_other_text_stays_as_it_is(text: str):
    assert one_line(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p4ss@org.example/x", f"https://{HIDDEN}@org.example/x"),
        ("at HTTPS://u:p4ss@org.example, again", f"at HTTPS://{HIDDEN}@org.example, again"),
        ("(login_url=http://u@h:80, id=x)", f"(login_url=http://{HIDDEN}@h:80, id=x)"),
        ("'socks5://u:p@h'", f"'socks5://{HIDDEN}@h'"),
        ("https://u:p@ss@h/", f"https://{HIDDEN}@h/"),
        ("https://u:p4/ss@h/", f"https://{HIDDEN}@h/"),
        ("https://u:p4#ss?@h", f"https://{HIDDEN}@h"),
        ("https://u:p4@ss/p4@h/", f"https://{HIDDEN}@h/"),
        ("a https://u:p4@h b http://v:p4@i", f"a https://{HIDDEN}@h b http://{HIDDEN}@i"),
        ("https://h/users/me@example.org", "https://h/users/me@example.org"),
        ("https://h:8443/?to=me@example.org", "https://h:8443/?to=me@example.org"),
        ("https://[::1]:80/a@b", "https://[::1]:80/a@b"),
        ("me@example.org and https://h/", "me@example.org and https://h/"),
        ("https://word@host/path", f"https://{HIDDEN}@host/path"),
        ("https://user:word@", f"https://{HIDDEN}@"),
        ("https://user:/word@host", f"https://{HIDDEN}@host"),
        ("https://user:w\"or'd@host", f"https://{HIDDEN}@host"),
        ("https://h/x,http://u:p@i", f"https://h/x,http://{HIDDEN}@i"),
        ("'https://h','http://u:p@i'", f"'https://h','http://{HIDDEN}@i'"),
        ('{"url":"https://h:80", "to":"a"} a@b', '{"url":"https://h:80", "to":"a"} a@b'),
        ('"https://h:80","a@b"', '"https://h:80","a@b"'),
        ("user:word@host:7443", f"{HIDDEN}@host:7443"),
        ("endpoint=user:wo/r@d@host:7443, again", f"endpoint={HIDDEN}@host:7443, again"),
        ("'user:word@host'", f"'{HIDDEN}@host'"),
        ("rep@example.com", "rep@example.com"),
        ("at 10:30 rep@example.com wrote", "at 10:30 rep@example.com wrote"),
        ("/path:8/a@b", "/path:8/a@b"),
    ],
)
def test_an_address_never_shows_user_and_password(text: str, shown: str):
    assert without_userinfo(text) == shown


PASSWORDS = st.text(alphabet=st.characters(exclude_categories=["Z", "C"], exclude_characters="/?#"), min_size=1)


@given(st.text(alphabet="abcXYZ019-_", min_size=1), PASSWORDS, st.sampled_from(["h", "h:80", "[::1]:8", "1.2.3.4"]))
def test_whatever_the_password_is_only_the_host_is_left(user: str, password: str, host: str):
    assert without_userinfo(f"to https://{user}:{password}@{host}/p failed") == f"to https://{HIDDEN}@{host}/p failed"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000,
        "a://" * 50_000 + "@",
        "http://" + ":" * 200_000,
        "@://" * 50_000,
        "=:" * 100_000,
        "'http://h'," * 20_000,
    ],
)
def test_long_text_takes_no_long_time(text: str):
    begin = time.perf_counter()
    without_userinfo(text + " x@y://")
    assert time.perf_counter() - begin < 1
