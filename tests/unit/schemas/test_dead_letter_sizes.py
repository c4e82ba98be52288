"""A dead letter can always be written: reasons are cut and escaped, and a pointer fits whatever it points to."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letters import LONGEST_MESSAGE, PREFIX, Stage, content_bytes, error_headers, fits, pointer
from schemas.kafka_settings import LARGEST_CONTENT_BYTES

SMALL_BYTES = 32_000
_TEXT = st.text(st.characters(codec=None), max_size=20)
_TIMES = st.sampled_from([1, 100_000])


def headers_with(message: str) -> list[tuple[str, bytes]]:
    return error_headers(
        [("own", b"x" * LARGEST_CONTENT_BYTES)],
        topic="byoc.events",
        partition=3,
        offset=7,
        connector="app",
        task_id=3,
        stage=Stage.TRANSFORMATION,
        class_name="streams.processor",
        error="TooLarge",
        message=message,
    )


@given(message=_TEXT, key=st.none() | st.binary(max_size=20), times=_TIMES)
def test_a_pointer_is_small_whatever_it_points_to(message: str, key: bytes | None, times: int) -> None:
    value, headers = pointer(
        topic="byoc.events",
        partition=3,
        offset=7,
        key=None if key is None else key * times,
        size=LARGEST_CONTENT_BYTES,
        headers=headers_with(message * times),
        reason=message * times,
    )
    assert content_bytes(value, None, headers) < SMALL_BYTES


@given(message=_TEXT, times=_TIMES)
def test_a_reason_is_utf_8_and_has_an_end(message: str, times: int) -> None:
    told = dict(headers_with(message * times))[PREFIX + "exception.message"].decode()
    assert len(told) <= LONGEST_MESSAGE * len("\\udfff")


def test_half_a_character_in_a_reason_is_escaped() -> None:
    assert dict(headers_with("no \udcff"))[PREFIX + "exception.message"] == b"no \\udcff"


def test_value_key_and_headers_fit_together_or_not_at_all() -> None:
    name, data = "header", b"x" * 100
    left = LARGEST_CONTENT_BYTES - content_bytes(None, b"key", [(name, data)])
    assert fits(b"x" * left, b"key", [(name, data)])
    assert not fits(b"x" * (left + 1), b"key", [(name, data)])
    assert not fits(b"x" * left, b"key+", [(name, data)])
    assert not fits(b"x" * left, b"key", [(name, data + b"x")])
