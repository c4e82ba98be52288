"""Avro binary of flat records, field by field: the loops that every event passes four times on its way.

This file is ordinary Python that mypyc compiles where a C compiler is at hand (`make` does it; ADR 12). Whatever it
says must mean the same both ways: integers that are declared `i64` have 64 bits in one and no bound in the other, so
shifts to the right are masked and numbers that do not fit are refused.
"""

from typing import Any, Final

from mypy_extensions import i64

from schemas.codec.errors import DecodeError

# What a field is; one byte each in `kinds`. NULLABLE is added for a union of null and the kind, null first.
STRING: Final = 0
BYTES: Final = 1
LONG: Final = 2
BOOLEAN: Final = 3
DOUBLE: Final = 4
STRINGS: Final = 5
NULLABLE: Final = 8

_TOP_BITS: Final = 0x01FFFFFFFFFFFFFF  # of a 64-bit number that was shifted by seven
_HALF: Final = 0x7FFFFFFFFFFFFFFF


def long_bytes(value: int) -> bytes:
    """Avro's zig-zag variable-length form of a 64-bit integer. Raises `OverflowError` for one that has more bits."""
    try:
        short: i64 = value
    except ValueError:  # compiled, this is where a number of more than 64 bits ends; as Python, it is below
        raise OverflowError("a number of more than 64 bits cannot be written") from None
    number: i64 = (short << 1) ^ (short >> 63)
    if 0x7FFFFFFFF < number < 0x40000000000:  # six bytes: a time in epoch ms
        spread: int = (
            number & 0x7F
            | (number & 0x3F80) << 1
            | (number & 0x1FC000) << 2
            | (number & 0xFE00000) << 3
            | (number & 0x7F0000000) << 4
            | (number & 0x3F800000000) << 5
            | 0x8080808080
        )
        return spread.to_bytes(6, "little")
    if (
        number >= 0x40000000000 and (value if value >= 0 else ~value).bit_length() > 63
    ):  # rare: no time, length or count is so large
        raise OverflowError("a number of more than 64 bits cannot be written")
    out = bytearray()
    while number & ~0x7F:
        out.append(number & 0x7F | 0x80)
        number = (number >> 7) & _TOP_BITS
    out.append(number)
    return bytes(out)


# Lengths below 4,096 cover every id and nearly every payload.
_LENGTHS: Final[list[bytes]] = [long_bytes(length) for length in range(4096)]
_PRESENT_LENGTHS: Final[list[bytes]] = [b"\x02" + length for length in _LENGTHS]


def length_bytes(length: int) -> bytes:
    """`long_bytes` for lengths, from a table when it is short."""
    return _LENGTHS[length] if length < 4096 else long_bytes(length)


def read_long(data: bytes, at: i64) -> tuple[i64, i64]:
    """The integer at `at`, and the position after it. Raises `DecodeError` for more than 64 bits, and `IndexError`."""
    number: i64 = 0
    shift: i64 = 0
    while True:
        byte: i64 = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return ((number >> 1) & _HALF) ^ -(number & 1), at
        shift += 7
        if shift == 63 and data[at] > 1:  # the tenth byte has room for one bit
            raise DecodeError(f"a number at {at} has more than 64 bits")


def read_fields(data: bytes, start: int, kinds: bytes, unpack_double: Any) -> tuple[list[Any], int]:
    """The values of the fields at `start`, and the position after them.

    `unpack_double(data, at)` is `struct.Struct("<d").unpack_from`. Raises `DecodeError`, also for bytes that are cut
    off, and `UnicodeDecodeError`.
    """
    values: list[Any] = []
    at: i64 = start
    length: i64 = 0
    try:
        for kind_of_field in kinds:
            kind: i64 = kind_of_field
            if kind >= NULLABLE:
                branch: i64 = data[at]
                at += 1
                if branch == 0:
                    values.append(None)
                    continue
                if branch != 2:
                    raise DecodeError(f"union branch {branch} before {at}")
                kind -= NULLABLE
            if kind <= BYTES:
                length, at = read_long(data, at)
                if length < 0 or length > len(data) - at:  # `at + length` could be beyond 64 bits
                    raise DecodeError(f"reading {length} bytes at {at}: the record ends at {len(data)}")
                end: i64 = at + length
                found = data[at:end]
                values.append(found.decode() if kind == STRING else found)
                at = end
            elif kind == LONG:
                number, at = read_long(data, at)
                values.append(number)
            elif kind == BOOLEAN:
                values.append(_read_flag(data, at))
                at += 1
            elif kind == DOUBLE:
                if len(data) - at < 8:
                    raise DecodeError(f"reading a number at {at}: the record ends at {len(data)}")
                values.append(unpack_double(data, at)[0])
                at += 8
            else:
                strings, at = _read_strings(data, at)
                values.append(strings)
    except IndexError:
        raise DecodeError(f"reading at {at}: the record ends at {len(data)}") from None
    return values, at


def _read_flag(data: bytes, at: i64) -> bool:
    flag: i64 = data[at]
    if flag > 1:
        raise DecodeError(f"{flag} at {at} is neither true nor false")
    return flag == 1


def _read_strings(data: bytes, at: i64) -> tuple[list[str], i64]:
    found: list[str] = []
    while True:
        count, at = read_long(data, at)
        if count == 0:
            return found, at
        if count < 0:  # a block may carry its size in bytes, so that readers can skip it
            count = -count
            _, at = read_long(data, at)
        if count < 0 or count > len(data) - at:  # a string takes a byte at least; -(-2^63) has no 64 bits
            raise DecodeError(f"reading a block at {at}: more strings than bytes, the record ends at {len(data)}")
        while count > 0:
            length, at = read_long(data, at)
            if length < 0 or length > len(data) - at:
                raise DecodeError(f"reading {length} bytes at {at}: the record ends at {len(data)}")
            end: i64 = at + length
            found.append(data[at:end].decode())
            at = end
            count -= 1


def write_fields(header: bytes, kinds: bytes, values: tuple[Any, ...]) -> bytes:
    """`header`, and the values in Avro binary. Raises `TypeError` or `AttributeError` for a value of another type.

    Raises `OverflowError` for a number of more than 64 bits, `UnicodeEncodeError` for half of a surrogate pair.
    """
    parts: list[bytes] = [header]
    index: i64 = 0
    for kind_of_field in kinds:
        value = values[index]
        index += 1
        kind: i64 = kind_of_field
        nullable = kind >= NULLABLE
        if nullable:
            if value is None:
                parts.append(b"\x00")
                continue
            kind -= NULLABLE
        if kind == STRING:
            text: str = value
            _write_bytes(parts, text.encode(), nullable)
        elif kind == BYTES:
            _write_bytes(parts, value, nullable)
        else:
            if nullable:
                parts.append(b"\x02")
            _write_other(parts, kind, value)
    return b"".join(parts)


def _write_bytes(parts: list[bytes], encoded: bytes, nullable: bool) -> None:
    size: i64 = len(encoded)
    if size < 4096:
        parts.append(_PRESENT_LENGTHS[size] if nullable else _LENGTHS[size])
    else:
        if nullable:
            parts.append(b"\x02")
        parts.append(long_bytes(size))
    parts.append(encoded)


def _write_other(parts: list[bytes], kind: i64, value: Any) -> None:
    if kind == LONG:
        parts.append(long_bytes(value))
    elif kind == BOOLEAN:
        parts.append(b"\x01" if value else b"\x00")
    else:
        _write_strings(parts, value)


def _write_strings(parts: list[bytes], items: list[str]) -> None:
    """One block and the end."""
    if type(items) is not list:  # compiled, the call has refused it; as Python, a text would be written by its letters
        raise TypeError(f"{type(items).__name__} is no list")
    if items:
        parts.append(long_bytes(len(items)))
        for item in items:
            encoded = item.encode()
            parts.append(length_bytes(len(encoded)))
            parts.append(encoded)
    parts.append(b"\x00")
