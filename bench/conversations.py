"""`processor.cost_ratio_long_conversation` and `processor.bytes_per_conversation`: what length and number cost.

Text messages through the real worker, 16 conversations open at a time in both cases, so that batches look the same:
conversations of 5,000 messages, and conversations of 10. The ratio is that of CPU per event. Memory is the growth of
the worker's resident set over the last two thirds of a run, when its buffers have their size. The long conversations
show what an entry costs that is remembered to recognise a repeat, `processor.bytes_per_entry`; a short conversation
without its ten entries is what a conversation costs: state, keys and timers.
"""

from collections.abc import Iterator

from bench.errors import MeasurementError
from bench.events import entry_event
from bench.following import Observation, follow
from bench.kafka import BY_KEY, CommittedEnds, GroupProgress, Record, write
from bench.rates import Sample, pace_of
from bench.results import Result
from bench.setting import PARTITIONS, Bench, now_ms
from schemas.codec import encode
from simulator.events import entries
from simulator.events.seeded import new_uuid, seeded

OPEN_AT_ONCE = 16
LONG = 5_000
SHORT = 10
EVENTS = 160_000  # of each kind
WARM_UP_SHARE = 1 / 3


def measure_conversations(bench: Bench) -> list[Result]:
    """Both kinds in turn, `bench.runs` times."""
    count = max(bench.events or EVENTS, OPEN_AT_ONCE * LONG)
    ratios, sizes, entry_sizes = [], [], []
    for number in range(bench.runs):
        short = _run(bench, f"short-{number}", count, SHORT)
        long = _run(bench, f"long-{number}", count, LONG)
        ratios.append(_cpu_us(long) / _cpu_us(short))
        entry_sizes.append(_bytes_per_event(long))
        sizes.append((_bytes_per_event(short) - entry_sizes[-1]) * SHORT)
    return [
        Result(name="processor.cost_ratio_long_conversation", unit="times", runs=tuple(ratios)),
        Result(name="processor.bytes_per_conversation", unit="bytes", runs=tuple(sizes)),
        Result(name="processor.bytes_per_entry", unit="bytes", runs=tuple(entry_sizes)),
    ]


def _run(bench: Bench, name: str, count: int, length: int) -> list[Observation]:
    topics = bench.topics()
    write(bench.bootstrap_servers, topics.events, _messages(count, length))
    progress = GroupProgress(bench.bootstrap_servers, topics.app_id, topics.events, PARTITIONS)
    try:
        with bench.streams_worker(name, topics) as worker:
            ends = CommittedEnds(bench.bootstrap_servers, topics.events, PARTITIONS)
            return follow(worker, progress.offsets, until=count, ends=ends.offsets)
    finally:
        progress.close()


def _messages(count: int, length: int) -> Iterator[Record]:
    """`count` text messages of conversations that have `length` each, `OPEN_AT_ONCE` of them in turn."""
    rng, at_ms, made = seeded(1, f"bench conversations of {length}"), now_ms(), 0
    while True:
        conversation_ids = [new_uuid(rng) for _ in range(OPEN_AT_ONCE)]
        for position in range(length):
            for conversation_id in conversation_ids:
                entry_id = new_uuid(rng)
                payload = entries.interaction(
                    channel_address_id="c0ffee00-0000-4000-8000-0000000000c1",
                    conversation_id=conversation_id,
                    end_user_subject=f"cust-{conversation_id[:8]}",
                    entry_id=entry_id,
                    sender=entries.agent("005Hs00000VkqcU"),
                    sender_name="Emi S.",
                    entry=entries.text_message(entry_id, f"{'Your order is on its way. ' * 10}#{position}"),
                    at_ms=at_ms,
                )
                event = entry_event(new_uuid(rng), payload, made, at_ms)
                yield conversation_id.encode(), encode(event), BY_KEY
                made += 1
                if made == count:
                    return


def _cpu_us(seen: list[Observation]) -> float:
    samples = [Sample(each.at_s, each.cpu_s, sum(each.offsets.values())) for each in seen]
    return pace_of(samples, skip_share=WARM_UP_SHARE).cpu_us


def _bytes_per_event(seen: list[Observation]) -> float:
    total = sum(seen[-1].offsets.values())
    steady = [each for each in seen if sum(each.offsets.values()) >= total * WARM_UP_SHARE]
    if len(steady) < 2:
        raise MeasurementError("all work came in one step; measure with more --events")
    first = steady[0]
    return (seen[-1].resident_bytes - first.resident_bytes) / (total - sum(first.offsets.values()))
