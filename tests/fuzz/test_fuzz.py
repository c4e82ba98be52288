"""Every foreign input, for a minute in all, the same inputs each time. `make fuzz MINUTES=30` goes on for longer."""

import json
import random

import pytest

from schemas.codec.foreign import foreign_record
from tests.fuzz import child, forms
from tests.fuzz.avro import Schemas
from tests.fuzz.mutators import of_bytes, of_json
from tests.fuzz.run import Result, run_one
from tests.fuzz.table import TARGETS
from tests.fuzz.target import Broken, Target

SECONDS = 38.0  # with the starts of the processes, 1.5 s each, a minute
SEED = 1


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", TARGETS)
def test_a_foreign_input_provokes_nothing_but_the_errors_that_are_promised(name: str) -> None:
    result = run_one(name, seed=SEED, seconds=SECONDS / len(TARGETS))
    print(result.line())  # noqa: T201  for a failure's report
    assert result.inputs > 0
    assert {place: found.what for place, found in result.found.items()} == {}


def test_an_input_is_made_again_from_its_seed_and_number() -> None:
    for target in TARGETS.values():
        corpus = target.seeds()
        again = target.seeds()
        numbers = (0, len(corpus), len(corpus) + 1, 5_000)
        assert [target.input_at(3, n, corpus) for n in numbers] == [target.input_at(3, n, again) for n in numbers]


def test_json_stays_json_in_most_inputs() -> None:
    mutate, rng, readable = of_json(), random.Random(1), 0
    for _ in range(200):
        try:
            json.loads(mutate(rng, [b'{"a": [1, {"b": "x"}], "c": null}']))
            readable += 1
        except (ValueError, RecursionError):
            continue
    assert 100 < readable < 200


def test_a_schema_of_a_stranger_is_one() -> None:
    for seed in range(50):
        record = Schemas(random.Random(seed)).record()
        assert json.loads(json.dumps(record))["fields"]


def test_a_difference_between_compiled_and_python_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    record = foreign_record({"type": "record", "name": "A", "fields": [{"name": "a", "type": ["null", "float"]}]})
    forms.compare_nested(record, b"\x02\x00\x00\x00\x00")
    monkeypatch.setattr(forms._NESTED, "_HALF", 0)
    with pytest.raises(Broken, match=r"read_node: compiled .*, as Python .*"):
        forms.compare_nested(record, b"\x02\x00\x00\x00\x00")


def _dies(data: bytes) -> None:
    if data == b"slow":
        sum(range(80_000_000))
    if data == b"wrong":
        raise Broken("it is wrong")


@pytest.mark.parametrize(
    ("data", "place"),
    [
        pytest.param(b"good", None, id="nothing"),
        pytest.param(b"wrong", "Broken tests/fuzz/test_fuzz.py:_dies", id="an error"),
        pytest.param(b"slow", "slow", id="more than a second"),
    ],
)
def test_what_is_wrong_or_slow_is_found(data: bytes, place: str | None) -> None:
    target = Target(name="dies", one_input=_dies, seeds=lambda: [b""], mutate=of_bytes)
    found, _, _ = child.try_one(target, data)
    assert (None if found is None else found.place) == place


def test_equal_findings_are_one() -> None:
    result = Result("dies")
    found = child.Found("dies", "here", "said", b"x", 7)
    for _ in range(2):
        result.add(child.Report(next=9, inputs=4, slowest_ms=2.0, peak_mb=1.0, seconds=0.5, found=[found]))
    assert result.line().split() == ["dies", "inputs=8", "findings=1", "slowest_ms=2.0", "peak_mb=1"]
