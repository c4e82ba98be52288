"""Settings of the worker: what is taken, and that whatever is taken can be worked with."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.settings import StreamsSettings

TIMES = ("session_timeout_s", "routing_timeout_s", "answer_by_s", "commit_linger_ms", "max_open_ms")
ODD = [0.0, -0.0, 5e-324, 1e-9, 0.4, 1.0, 1e6, 1e9, 1e300, 1.8e308, math.inf, -math.inf, math.nan, -1.0]


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1e9, 1e300, -1.0])
def test_a_time_that_nobody_can_wait_for_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        StreamsSettings(**{name: value})  # type: ignore[arg-type]


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(TIMES, st.sampled_from(ODD) | st.floats())))
def test_what_is_taken_fits_the_rules_or_is_refused_in_words(values: dict[str, float]) -> None:
    """Kafka's clients take whole milliseconds, so every time must have some."""
    try:
        settings = StreamsSettings(**values)  # type: ignore[arg-type]
        settings.rules()
    except ValueError:  # ValidationError is one; OverflowError is none
        return
    assert 1000 <= int(settings.session_timeout_s * 1000) <= 1_800_000
    assert 0 <= settings.commit_linger_ms <= 30_000
    assert 0 < settings.max_open_ms <= 30_000
