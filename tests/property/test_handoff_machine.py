"""Every offset once and in order between assignment and revocation; one ticket; never stuck: for any history."""

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams.runtime.handoff import Handoff
from streams.runtime.records import TopicPartition


@dataclass(frozen=True, slots=True)
class Fetched:
    offset: int
    timestamp: int


PLACES = [TopicPartition("in", 0), TopicPartition("in", 1), TopicPartition("decisions", 0)]
places = st.sampled_from(PLACES)


class HandoffMachine(RuleBasedStateMachine):
    """A log per partition, a fetcher that may seek back, queues that may be cleared, partitions that come and go."""

    @initialize(max_batch=st.integers(1, 5), max_waiting=st.integers(0, 8))
    def begin(self, max_batch: int, max_waiting: int) -> None:
        self.max_batch = max_batch
        self.handoff = Handoff(max_batch=max_batch, max_waiting=max_waiting)
        self.log: dict[TopicPartition, list[int]] = {place: [] for place in PLACES}
        self.position = dict.fromkeys(PLACES, 0)  # of the fetcher, an index into the log
        self.start = dict.fromkeys(PLACES, 0)
        self.taken: dict[TopicPartition, list[int]] = {place: [] for place in PLACES}
        self.queue: list[TopicPartition] = []

    @rule(place=places, gaps=st.lists(st.integers(1, 3), min_size=1, max_size=6))
    def append(self, place: TopicPartition, gaps: list[int]) -> None:
        """Records are written; markers leave gaps between their offsets."""
        for gap in gaps:
            self.log[place].append(self.log[place][-1] + gap if self.log[place] else gap - 1)

    @rule(place=places, count=st.integers(1, 6))
    def fetch(self, place: TopicPartition, count: int) -> None:
        found = self.log[place][self.position[place] :][:count]
        if found and place not in self.handoff.full():
            self.handoff.offer(place, [Fetched(offset, offset) for offset in found])
            self.position[place] += len(found)

    @rule(place=places, data=st.data())
    def seek_back(self, place: TopicPartition, data: st.DataObject) -> None:
        self.position[place] = data.draw(st.integers(self.start[place], self.position[place]))

    @rule(active=st.sets(places))
    def deliver_tickets(self, active: set[TopicPartition]) -> None:
        issued = [place for place, _ in self.handoff.issue_tickets(active)]
        assert set(issued) <= active
        assert not set(issued) & set(self.queue)
        self.queue += issued

    @rule()
    def process(self) -> None:
        if self.queue:
            place = self.queue.pop(0)
            batch = self.handoff.take(place)
            assert len(batch) <= self.max_batch
            self.taken[place] += [record.offset for record in batch]
            if not self.handoff.is_empty(place):  # whoever has the ticket goes on
                self.queue.append(place)

    @rule()
    def clear_queues(self) -> None:
        self.queue.clear()
        self.handoff.reissue_tickets()

    @rule(place=places)
    def move_away_and_back(self, place: TopicPartition) -> None:
        """What was taken is committed; the partition starts there again."""
        self.start[place] += len(self.taken[place])
        self.position[place] = self.start[place]
        self.taken[place] = []
        self.handoff.forget([place])
        self.queue = [each for each in self.queue if each != place]

    @invariant()
    def every_offset_is_taken_once_and_in_order(self) -> None:
        for place in PLACES:
            expected = self.log[place][self.start[place] :]
            assert self.taken[place] == expected[: len(self.taken[place])]

    def teardown(self) -> None:
        """Whatever happened, fetching and delivering on brings out the rest: nothing is stuck."""
        for _ in range(sum(map(len, self.log.values())) * 4 + 4):
            for place in PLACES:
                self.fetch(place, 6)
            self.deliver_tickets(set(PLACES))
            self.process()
        for place in PLACES:
            assert self.taken[place] == self.log[place][self.start[place] :]


TestHandoff = HandoffMachine.TestCase
