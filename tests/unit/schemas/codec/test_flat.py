"""The loops of the codec mean the same compiled and as Python, also for what is damaged or does not fit."""

from pathlib import Path
from struct import Struct
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import DecodeError, flat, nested
from tests.support.codec_forms import FLAT
from tests.support.sources import ROOT

SOURCE = ROOT / "schemas" / "codec" / "flat.py"
UNPACK_DOUBLE = Struct("<d").unpack_from
LONGS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
VALUES = {
    flat.STRING: st.text(max_size=200),
    flat.BYTES: st.binary(max_size=80),
    flat.LONG: LONGS | st.sampled_from([0, -1, 63, 64, -64, -65, 2**35, 2**42, 2**62, -(2**62), 2**63 - 1, -(2**63)]),
    flat.BOOLEAN: st.booleans(),
    flat.STRINGS: st.lists(st.text(max_size=20), max_size=5),
}


PYTHON = FLAT
BOTH = [pytest.param(flat, id="in use"), pytest.param(PYTHON, id="as Python")]


@pytest.mark.parametrize("module", [flat, nested], ids=["flat", "nested"])
def test_what_is_compiled_is_the_source(module: ModuleType) -> None:
    source = SOURCE.with_stem(module.__name__.rpartition(".")[2])
    if module.__file__ == str(source):
        pytest.skip(f"{source} is not compiled here")
    assert module.__file__ is not None
    assert Path(module.__file__).stat().st_mtime >= source.stat().st_mtime, f"run make: {source.name} is newer"


@st.composite
def records(draw: Any) -> tuple[bytes, tuple[Any, ...]]:
    """Kinds and values of some fields."""
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=12))
    nullable = [draw(st.booleans()) for _ in kinds]
    values = [
        draw(VALUES[kind] | st.none() if null else VALUES[kind]) for kind, null in zip(kinds, nullable, strict=True)
    ]
    coded = [kind + flat.NULLABLE * null for kind, null in zip(kinds, nullable, strict=True)]
    return bytes(coded), tuple(values)


@given(records())
def test_both_write_the_same_bytes_and_read_back_what_was_written(record: tuple[bytes, tuple[Any, ...]]) -> None:
    kinds, values = record
    written = flat.write_fields(b"head", kinds, values)
    assert PYTHON.write_fields(b"head", kinds, values) == written
    for form in (flat, PYTHON):
        assert form.read_fields(written, 4, kinds, UNPACK_DOUBLE) == (list(values), len(written))


def outcome(form: ModuleType, data: bytes, kinds: bytes) -> Any:
    try:
        return form.read_fields(data, 0, kinds, UNPACK_DOUBLE)
    except (ValueError, ArithmeticError) as error:  # DecodeError and UnicodeDecodeError are ValueErrors
        return type(error).__name__


@given(st.binary(max_size=60), st.lists(st.sampled_from([*range(6), *range(8, 14)]), max_size=6))
def test_both_make_the_same_of_any_bytes(data: bytes, kinds: list[int]) -> None:
    assert repr(outcome(flat, data, bytes(kinds))) == repr(outcome(PYTHON, data, bytes(kinds)))  # as text: NaN is NaN


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(b"\x80" * 10 + b"\x01", flat.LONG, id="a number of more than 64 bits"),
        pytest.param(b"\x01", flat.STRING, id="a negative length"),
        pytest.param(b"\x08abc", flat.STRING, id="a string that is cut off"),
        pytest.param(b"", flat.LONG, id="nothing"),
        pytest.param(b"\x04\x02", flat.LONG + flat.NULLABLE, id="a branch that is not there"),
        pytest.param(b"\x02", flat.BOOLEAN, id="neither true nor false"),
        pytest.param(b"\x00" * 7, flat.DOUBLE, id="half a number"),
        pytest.param(b"\x02\x08a", flat.STRINGS, id="a string of an array that is cut off"),
        pytest.param(b"\x02\x01\x00\x00\x00", flat.STRINGS, id="a string of an array with a negative length"),
        pytest.param(b"\xff" * 9 + b"\x01\x00\x00", flat.STRINGS, id="a block of -2^63 strings"),
    ],
)
def test_damage_is_told(form: ModuleType, data: bytes, kind: int) -> None:
    with pytest.raises(DecodeError):
        form.read_fields(data, 0, bytes([kind]), UNPACK_DOUBLE)
