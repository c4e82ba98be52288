import msgspec
import pytest

from byoc.partner.faults import Faults


def test_no_faults_unless_asked_for() -> None:
    assert not any(Faults().hits(number, "c") for number in range(1000))


def test_a_share_of_the_requests_is_hit_the_same_ones_each_time() -> None:
    hits = [Faults(share=0.3, seed=7).hits(number, "c") for number in range(5000)]
    assert sum(hits) / 5000 == pytest.approx(0.3, abs=0.03)
    assert hits == [Faults(share=0.3, seed=7).hits(number, "c") for number in range(5000)]
    assert hits != [Faults(share=0.3, seed=8).hits(number, "c") for number in range(5000)]


def test_only_the_named_conversation_is_hit() -> None:
    faults = Faults(share=1.0, conversation_id="stuck")
    assert faults.hits(1, "stuck")
    assert not faults.hits(1, "other")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"share": 1.1}', id="share above one"),
        pytest.param('{"share": -0.1}', id="share below zero"),
        pytest.param('{"status": 200}', id="status that is no error"),
        pytest.param('{"delay_ms": -1}', id="negative delay"),
        pytest.param('{"retry_after_s": -1}', id="negative wish"),
        pytest.param('{"shares": 0.1}', id="unknown field"),
    ],
)
def test_faults_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Faults)
