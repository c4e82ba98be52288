"""The bitmaps of change events give back the fields that they were made from, nested ones included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.pubsub.converters.bitmaps import BitmapError, Field, names_of

NAMES = st.lists(st.text("abcdefXYZ_", min_size=1, max_size=6), min_size=1, max_size=80, unique=True)
TREES = st.builds(
    lambda names, nested: tuple(
        Field(name, tuple(map(Field, inner))) for name, inner in zip(names, nested, strict=False)
    ),
    NAMES,
    st.lists(st.one_of(st.just([]), NAMES), min_size=80, max_size=80),
)


def bitmap(places):
    return f"0x{sum(1 << place for place in places):X}"


@given(TREES, st.data())
def test_every_set_of_fields_survives(fields, data):
    top = data.draw(st.sets(st.sampled_from(range(len(fields)))))
    compound = [place for place, field in enumerate(fields) if field.nested]
    within = {
        place: data.draw(st.sets(st.sampled_from(range(len(fields[place].nested))), min_size=1))
        for place in (data.draw(st.sets(st.sampled_from(compound))) if compound else set())
    }
    elements = ([bitmap(top)] if top else []) + [f"{place}-{bitmap(inner)}" for place, inner in within.items()]
    expected = {fields[place].name for place in top} | {
        f"{fields[place].name}.{fields[place].nested[inner].name}" for place in within for inner in within[place]
    }
    found = names_of(elements, fields)
    assert set(found) == expected
    assert len(found) == len(expected)


@given(TREES, st.integers(min_value=0, max_value=200))
def test_a_bit_beyond_the_schema_is_an_error_and_no_guess(fields, beyond):
    with pytest.raises(BitmapError):
        names_of([bitmap([len(fields) + beyond])], fields)


@given(st.text())
def test_any_text_is_a_bitmap_or_an_error(text):
    fields = (Field("a", (Field("b"),)), Field("c"))
    try:
        assert set(names_of([text], fields)) <= {"a", "c", "a.b"}
    except BitmapError:
        assert text not in ("0x1", "0x2", "0x3", "0-0x1")


@pytest.mark.parametrize(
    ("elements", "names"),
    [
        pytest.param(["0x5"], ("a", "d"), id="the lowest bit is the first field"),
        pytest.param(["0x02", "2-0x2"], ("c", "d.f"), id="leading zeros, then within a compound field"),
        pytest.param([], (), id="none"),
    ],
)
def test_bits_are_counted_from_the_lowest(elements, names):
    fields = (Field("a"), Field("c"), Field("d", (Field("e"), Field("f"))))
    assert names_of(elements, fields) == names


@pytest.mark.parametrize("element", ["1-0x1", "9-0x1", "x", "0x", "0xZZ", "-0x1", "2-0x4"])
def test_what_does_not_fit_is_named(element):
    with pytest.raises(BitmapError):
        names_of([element], (Field("a"), Field("c"), Field("d", (Field("e"), Field("f")))))
