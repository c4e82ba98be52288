"""How inputs are made from samples: bytes, lines of text, and JSON by its structure. Everything comes from `rng`."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

NUMBERS = (
    *("0", "-0", "-1", "1", "127", "128", "255", "256", "65535", "65536", "2147483647", "2147483648", "-2147483649"),
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" + "0" * 30),
    *("18446744073709551615", "18446744073709551616", "1e400", "-1e400", "1e-400", "0.1", "1.0", "1E5", "9" * 400),
    *("253402300799999", "253402300800000", "-62135596800001", "1767225600000", "9" * 5_000),
)
TEXTS = (
    *('""', '" "', '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"', '"\\ufeff"', '"null"', '"true"', '"false"', '"1"'),
    *('"NaN"', '"a\\nb"', '"\\u2028"', '"|"', '"a|b"', '"a/b"', '"a%25b"', '"https://["', '"Message"', '"é😀"'),
    *('"٣"', '"²"', '"9999999999999999999999"', '"{}"', '"[]"', '"{\\"string\\": \\"x\\"}"'),
)
OTHERS = ("null", "true", "false", "[]", "{}", "[null]", "[[]]", '{"": null}', '{"string": "x"}', '{"a": {"a": {}}}')
DEEP = tuple(
    opening * depth + middle + closing * depth
    for opening, closing, middle in (("[", "]", ""), ('{"a":', "}", "1"))
    for depth in (100, 600, 1_500, 20_000)
)
BYTES = (
    *(b"\x00", b"\xff", b"\x80" * 10 + b"\x01", b"\xff" * 9 + b"\x01", b"\xfe" + b"\xff" * 8 + b"\x01"),
    *(b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3(", b"\xf4\x90\x80\x80", b"\r\n", b"\n", b"\r\n\r\n", b"\x1b[2J"),
    *(b"%", b"%2F", b"%00", b"?", b"#", b"..", b"/", b":", b";", b"'", b'"', b"\\", b"{", b"}", b"$", b"${"),
    *(word.encode() for word in NUMBERS[:-1]),
)
_MARK = "\x01raw %d\x01"


def of_bytes(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """A sample with some of its bytes changed, or two samples in one."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        _change(rng, data, corpus)
    return bytes(data)


def _change(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    end = min(len(data), at + rng.choice((1, 1, 2, 4, 8, 64)))
    match rng.randrange(8):
        case 0 if at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        case 1 if at < len(data):
            data[at] = rng.randrange(256)
        case 2:
            del data[at:end]
        case 3:
            data[at:at] = data[at:end] * rng.choice((1, 2, 50))
        case 4:
            data[at:at] = rng.choice(BYTES)
        case 5:
            data[at:end] = rng.choice(BYTES)
        case 6:
            other = rng.choice(corpus)
            data[at:] = other[rng.randint(0, len(other)) :]
        case _:
            del data[at:]


def of_lines(words: Sequence[bytes]) -> Callable[[random.Random, Sequence[bytes]], bytes]:
    """Like `of_bytes`, with words of the format put in."""

    def mutate(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
        if rng.random() < 0.4:
            return of_bytes(rng, corpus)
        data = rng.choice(corpus)
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = rng.randint(0, len(data))
            word = rng.choice(words) * rng.choice((1, 1, 1, 1, 3, 40))
            data = data[:at] + word + data[at + rng.choice((0, 0, 1, 5)) :]
        return data

    return mutate


def of_json(head_lines: int = 0) -> Callable[[random.Random, Sequence[bytes]], bytes]:
    """Changes values of JSON behind so many lines of something else; now and then the bytes, and the lines."""

    def mutate(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
        if rng.random() < 0.1:
            return of_bytes(rng, corpus)
        *head, text = rng.choice(corpus).split(b"\n", head_lines)
        *_, other = rng.choice(corpus).split(b"\n", head_lines)
        if head and rng.random() < 0.1:
            at = rng.randrange(len(head))
            head[at] = rng.choice((rng.choice(NUMBERS).encode(), b"", b"Interaction", b"RoutingRequested", head[at]))
        return b"\n".join((*head, changed_json(rng, text, other)))

    return mutate


def changed_json(rng: random.Random, text: bytes, other: bytes) -> bytes:
    """The document with one to five of its values changed; `other` gives parts to put in."""
    try:
        document, donor = [json.loads(text)], [json.loads(other)]
    except (ValueError, RecursionError):
        return of_bytes(rng, [text, other])
    raw: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        found = list(places(document))
        numbers = [each for each in found if type(each[0][each[1]]) is int]
        if numbers and rng.random() < 0.3:
            owner, key = rng.choice(numbers)
            _put_raw(owner, key, rng.choice(NUMBERS), raw)
        else:
            _replace(rng, *rng.choice(found), donor, raw)
    made = json.dumps(document[0], ensure_ascii=rng.random() < 0.5)
    for number, word in enumerate(raw):
        made = made.replace(json.dumps(_MARK % number), word)
    return made.encode("utf-8", "surrogatepass")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every value, also of those in JSON texts' own containers."""
    items: list[Any] = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in items:
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def _replace(rng: random.Random, owner: Any, key: Any, donor: Any, raw: list[str]) -> None:
    match rng.randrange(10):
        case 0 if isinstance(owner, dict):
            del owner[key]
        case 1:
            owner[key] = [owner[key]] * rng.choice((1, 1, 2, 30))
        case 2:
            owner[key] = {rng.choice(("string", "a", "text", "id", "")): owner[key]}
        case 3:
            there, name = rng.choice(list(places(donor)))
            owner[key] = json.loads(json.dumps(there[name]))
        case 4 if isinstance(owner[key], str):
            owner[key] = rng.choice((owner[key] * 2, owner[key][:-1], owner[key].upper(), owner[key] * 300))
        case _:
            _put_raw(owner, key, rng.choice(rng.choice((NUMBERS, NUMBERS, TEXTS, TEXTS, OTHERS, DEEP))), raw)


def _put_raw(owner: Any, key: Any, text: str, raw: list[str]) -> None:
    """Put a mark in, which becomes this JSON text: it may be one that no document can hold."""
    owner[key] = _MARK % len(raw)
    raw.append(text)
