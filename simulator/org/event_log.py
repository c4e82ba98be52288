"""The event bus of one org: an append-only log per topic under one org-wide counter of replay positions.

Pure and in memory; the time comes in as an argument. Positions of all topics come from one counter with random gaps,
so the id of another topic's event is a valid place to resume from, as with Salesforce. Only bytes are kept: what an
event means is the ledger's business.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

from simulator.events import protobuf_bytes
from simulator.events.protobuf_bytes import EventParts
from simulator.events.seeded import SeededRandom
from simulator.org import replay_ids
from simulator.org.replay_ids import ReplayIdError

MAX_RESPONSE_BYTES = 3_000_000  # documented cap of one FetchResponse
_LARGEST_GAP = 16  # neighbours in a busy sandbox were seen 7 to 16 apart
_MIGRATION_JUMP = 1_000_000
_PURGE_EVERY = 4096  # appends between two looks at the retention


class Preset(Enum):
    """Where a subscription starts; the numbers are the wire's `ReplayPreset`."""

    LATEST = 0
    EARLIEST = 1
    CUSTOM = 2


class UnknownTopicError(KeyError):
    """The org has no such topic. Its argument is the name."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some consecutive events of a topic. `cursor` reads on after them; `last_replay_id` is the last one's."""

    events: list[EventParts]
    cursor: int
    last_replay_id: bytes


@dataclass(slots=True)
class _TopicLog:
    """Parallel columns, one entry per retained event; `base` is the index of the first of them since the start."""

    base: int = 0
    events: list[EventParts] = field(default_factory=list)
    sizes: "array[int]" = field(default_factory=lambda: array("L"))
    positions: "array[int]" = field(default_factory=lambda: array("q"))
    appended_ms: "array[int]" = field(default_factory=lambda: array("q"))

    @property
    def end(self) -> int:
        return self.base + len(self.events)

    def add(self, frame: EventParts, size: int, position: int, now_ms: int) -> None:
        self.events.append(frame)
        self.sizes.append(size)
        self.positions.append(position)
        self.appended_ms.append(now_ms)

    def drop_until(self, cut: int) -> None:
        for column in (self.events, self.sizes, self.positions, self.appended_ms):
            del column[:cut]
        self.base += cut


class EventLog:
    """Topics, their events and the positions of one org. Not thread-safe; every call is quick and never waits."""

    def __init__(self, topics: Collection[str], *, rng: SeededRandom, retention_ms: int, now_ms: int) -> None:
        """`rng` draws the first position and the gaps between positions; `now_ms` is the time of the first position."""
        self._topics = {name: _TopicLog() for name in topics}
        self._rng = rng
        self._retention_ms = retention_ms
        self._assigned = array("q")
        self._assigned_ms = array("q")
        self._position = rng.randrange(1_000_000, 9_000_000)
        self._appends = 0
        self._channels_of: dict[str, list[_TopicLog]] = {}
        self._unrelated = range(0)  # positions of the time before a migration that are still taken for ids
        self.advance(now_ms)  # an org is never without a valid position to resume from

    @property
    def topics(self) -> list[str]:
        """Return the names of all topics and channels."""
        return list(self._topics)

    def add_topic(self, topic: str, members: Collection[str] = ()) -> None:
        """Add a topic, or with `members` a channel that carries their events from now on. Repeating changes nothing.

        Raises `UnknownTopicError` for a member that does not exist.
        """
        logs = [self._log(member) for member in members]
        if topic in self._topics:
            return
        channel = self._topics[topic] = _TopicLog()
        for member, _ in zip(members, logs, strict=True):
            self._channels_of.setdefault(member, []).append(channel)

    def append(self, topic: str, event: bytes, now_ms: int, *, shown_id: bytes | None = None) -> bytes:
        """Append a serialised `ProducerEvent`; return its replay id. Raises `UnknownTopicError`.

        `shown_id` is the replay id that subscribers get instead of the true one.
        """
        log = self._log(topic)
        replay_id = self.advance(now_ms)
        frame = protobuf_bytes.consumer_event(event, replay_id if shown_id is None else shown_id)
        for each in (log, *self._channels_of.get(topic, ())):
            each.add((frame,), len(frame), self._position, self._assigned_ms[-1])
        self._purge_sometimes(now_ms)
        return replay_id

    def append_shared(self, topic: str, parts: EventParts, size: int, now_ms: int) -> bytes:
        """Append an event whose parts are shared with other events; return its replay id.

        `parts` are the event without the 10 bytes of its replay id, which come last; `size` is that of the whole event.
        """
        log = self._log(topic)
        replay_id = self.advance(now_ms)
        log.add((*parts, replay_id), size, self._position, self._assigned_ms[-1])
        return replay_id

    def advance(self, now_ms: int) -> bytes:
        """Take the next position, as any event of the org does; return its replay id."""
        self._position += self._rng.randint(1, _LARGEST_GAP)
        self._assigned.append(self._position)
        # A clock that steps back must not break the search by time.
        self._assigned_ms.append(max(now_ms, self._assigned_ms[-1]) if self._assigned_ms else now_ms)
        return replay_ids.encode(self._position)

    def keepalive_id(self, now_ms: int) -> bytes:
        """Return the position that an idle subscription may resume from: the newest of the org.

        In a real org, events of other topics move it. Here it moves by chance, and always before it could expire.
        """
        stale = now_ms - self._assigned_ms[-1] > self._retention_ms // 4
        if stale or self._rng.random() < 0.5:
            return self.advance(now_ms)
        return replay_ids.encode(self._position)

    def start(self, topic: str, preset: Preset, replay_id: bytes, now_ms: int) -> int:
        """The cursor at which a new subscription begins; `CUSTOM` begins after its id.

        Raises `UnknownTopicError`, and `ReplayIdError` for an id that was never given out, is malformed, or whose event
        has left the retention.
        """
        log = self._log(topic)
        self.purge(now_ms)
        match preset:
            case Preset.LATEST:
                return log.end
            case Preset.EARLIEST:
                return log.base
            case Preset.CUSTOM:
                return log.base + bisect_right(log.positions, self.position(replay_id))

    def first_since(self, topic: str, at_ms: int) -> int:
        """The cursor of the first event that was published at that time or later."""
        log = self._log(topic)
        return log.base + bisect_left(log.appended_ms, at_ms)

    def migrate(self, *, unrelated: bool) -> None:
        """Forget all events and count positions anew.

        With `unrelated`, ids from before are still accepted, and the new positions run through the same numbers;
        without it they are refused.
        """
        for log in self._topics.values():
            log.drop_until(len(log.events))
        first, last, at_ms = self._assigned[0], self._position, self._assigned_ms[-1]
        del self._assigned[:], self._assigned_ms[:]
        self._unrelated = range(first, last + 1) if unrelated else range(0)
        self._position = first - 1 if unrelated else last + _MIGRATION_JUMP
        self.advance(at_ms)

    def read(self, topic: str, cursor: int, limit: int) -> Batch | None:
        """At most `limit` (>= 1) events from `cursor` on, within the size of one response; None when there is none.

        Events that were purged before a slow subscriber read them are skipped.
        """
        log = self._log(topic)
        first = max(cursor, log.base) - log.base
        last = min(first + limit, len(log.events))
        if first >= last:
            return None
        size = sum(log.sizes[first:last])
        while size > MAX_RESPONSE_BYTES and last > first + 1:
            last -= 1
            size -= log.sizes[last]
        return Batch(log.events[first:last], log.base + last, replay_ids.encode(log.positions[last - 1]))

    def position(self, replay_id: bytes) -> int:
        """Return the position of a replay id that may be resumed from. Raises `ReplayIdError` for any other."""
        position = replay_ids.decode(replay_id)
        index = bisect_left(self._assigned, position)
        if position in self._unrelated:
            return position
        if index == len(self._assigned) or self._assigned[index] != position:
            raise ReplayIdError(f"replay id {replay_id.hex()} was never given out or has expired")
        return position

    def available(self, topic: str, cursor: int) -> int:
        """How many retained events lie at or after `cursor`."""
        log = self._log(topic)
        return log.end - max(cursor, log.base)

    def purge(self, now_ms: int) -> None:
        """Forget what is older than the retention."""
        oldest_ms = now_ms - self._retention_ms
        for log in self._topics.values():
            cut = bisect_left(log.appended_ms, oldest_ms)
            if cut:
                log.drop_until(cut)
        cut = bisect_left(self._assigned_ms, oldest_ms)
        if cut == len(self._assigned_ms):
            self.advance(now_ms)
        del self._assigned[:cut], self._assigned_ms[:cut]

    def _log(self, topic: str) -> _TopicLog:
        log = self._topics.get(topic)
        if log is None:
            raise UnknownTopicError(topic)
        return log

    def _purge_sometimes(self, now_ms: int) -> None:
        self._appends += 1
        if self._appends % _PURGE_EVERY == 0:
            self.purge(now_ms)
