"""The codec takes every input in the same way compiled and as Python, and refuses damage with its own error."""

import pytest

from schemas.codec import DecodeError, flat, nested
from schemas.codec.foreign import foreign_record
from tests.support.codec_forms import FLAT, NESTED, UNPACK_DOUBLE, differential, frames, varint

MORE = 20_000
FORMS = [pytest.param(flat, nested, id="in use"), pytest.param(FLAT, NESTED, id="as Python")]


def test_both_forms_agree_on_every_input() -> None:
    """Values that fit and that do not, bytes of any kind, damaged records: one result or one kind of error."""
    compared = differential(MORE, seed=11)
    assert compared.inputs == MORE
    assert MORE * 0.1 < compared.refused < MORE * 0.9
    assert compared.slowest_s < 5  # both forms, with whatever else the machine does


def test_a_damaged_frame_is_a_record_or_the_one_error() -> None:
    refused = frames(3_000, seed=11)
    assert 1_000 < refused < 3_000


@pytest.mark.parametrize(("flat_form", "_"), FORMS)
@pytest.mark.parametrize("kind", [flat.STRING, flat.BYTES, flat.STRING + flat.NULLABLE, flat.STRINGS])
@pytest.mark.parametrize("length", [2**63 - 1, 2**63 - 12, 2**62, -1, -(2**63)])
def test_a_length_beyond_the_record_is_refused(flat_form, _, kind, length) -> None:
    before = {flat.STRING + flat.NULLABLE: b"\x02", flat.STRINGS: b"\x02"}.get(kind, b"")
    data = b"\x02" + before + varint(length) + b"0123456789"
    for kinds in ([flat.LONG, kind], [flat.LONG, kind, flat.DOUBLE], [flat.LONG, kind, flat.LONG]):
        with pytest.raises(DecodeError):
            flat_form.read_fields(data, 0, bytes(kinds), UNPACK_DOUBLE)


@pytest.mark.parametrize(("flat_form", "_"), FORMS)
@pytest.mark.parametrize("count", [2**63 - 1, -(2**63), -(2**63) + 1, 4])
def test_a_block_of_more_strings_than_bytes_is_refused(flat_form, _, count) -> None:
    with pytest.raises(DecodeError):
        flat_form.read_fields(varint(count) + b"\x00\x00\x00", 0, bytes([flat.STRINGS]), UNPACK_DOUBLE)


@pytest.mark.parametrize(("flat_form", "nested_form"), FORMS)
@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 2**69, 10**30])
def test_a_number_of_more_than_64_bits_is_refused_in_both_directions(flat_form, nested_form, number) -> None:
    with pytest.raises(OverflowError):
        flat_form.long_bytes(number)
    with pytest.raises(DecodeError):
        flat_form.read_fields(varint(number), 0, bytes([flat.LONG]), UNPACK_DOUBLE)
    with pytest.raises(DecodeError):
        nested_form.read_node(varint(number), foreign_record(LONG_RECORD).node)


@pytest.mark.parametrize(("flat_form", "nested_form"), FORMS)
@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 2**62, -(2**62) - 1])
def test_a_number_of_64_bits_is_read_back(flat_form, nested_form, number) -> None:
    written = flat_form.long_bytes(number)
    assert written == varint(number)
    assert flat_form.read_fields(written, 0, bytes([flat.LONG]), UNPACK_DOUBLE)[0] == [number]
    assert nested_form.read_node(written, foreign_record(LONG_RECORD).node)[0] == {"n": number}


LONG_RECORD = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}
