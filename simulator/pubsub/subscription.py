"""One Subscribe call: where it reads, how much it may send, and the bytes of its next response. No I/O, no clock."""

from dataclasses import dataclass
from typing import Any

from schemas.proto import pubsub_api_pb2 as pb
from simulator.events import protobuf_bytes
from simulator.events.seeded import SeededRandom
from simulator.faults import rpc_errors
from simulator.org.event_log import EventLog, Preset, UnknownTopicError
from simulator.org.replay_ids import ReplayIdError
from simulator.pubsub.credit import Credit

_FEW = 25


@dataclass(frozen=True, slots=True)
class Response:
    """A serialised response and how many events it carries."""

    data: bytes
    events: int = 0


class Subscription:
    """Takes FetchRequests, gives FetchResponses. The first request fixes topic and start; later ones add credit.

    `settle_ms`: a LATEST subscription misses what is published so soon after it began.
    """

    def __init__(
        self, log: EventLog, *, rpc_id: str, rng: SeededRandom, split_share: float, settle_ms: int = 0
    ) -> None:
        """`rng` chooses the responses that carry fewer events than they could; `split_share` is their share."""
        self._log = log
        self._settle_ms = settle_ms
        self._settled_at_ms: int | None = None
        self._rpc_id = rpc_id
        self._rng = rng
        self._split_share = split_share
        self._credit = Credit()
        self._cursor = 0
        self.topic: str | None = None

    @property
    def pending(self) -> int:
        """Return how many more events the client has asked for."""
        return self._credit.pending

    @property
    def is_starved(self) -> bool:
        """Say whether many events wait and the credit is for few; it may be for more a moment later.

        Answering each small request at once makes the next one small too, for ever: measured 1.4 events per response
        and 7,000 events/s after some split batches, at 100 outstanding.
        """
        pending = self._credit.pending
        if self.topic is None or not 0 < pending < _FEW:
            return False
        return self._log.available(self.topic, self._cursor) > pending

    def topic_of(self, request: Any) -> str | None:
        """The topic that the first request names, whether it exists or not."""
        name: str = request.topic_name
        return name or None

    def start_of(self, request: Any) -> tuple[str, bytes]:
        """Return preset and replay id as the first request names them; a preset that is unknown by its number."""
        number: int = request.replay_preset
        known = number in {preset.value for preset in Preset}
        return Preset(number).name if known else str(number), request.replay_id

    def close(self, *, in_order: bool, now_ms: int) -> None:
        """End the subscription. Nothing of a plain one remains."""

    def check_idle(self, now_s: float) -> float | None:
        """Return when it must be called again, in clock seconds; None for never.

        Raises `RpcError` when a time limit of the subscription is over.
        """

    def settles_in_s(self, now_ms: int) -> float | None:
        """Return the seconds until a LATEST subscription sees events; None when it sees them now."""
        return None if self._settled_at_ms is None else (self._settled_at_ms - now_ms) / 1000

    def take_request(self, request: Any, now_ms: int) -> None:
        """Take one FetchRequest. Raises `RpcError` for a request that ends the stream."""
        if self.topic is None:
            self._credit.request(request.num_requested)
            self._cursor = self._start(request, now_ms)
            self.topic = request.topic_name
            return
        if request.topic_name and request.topic_name != self.topic:
            raise rpc_errors.topic_mismatch(request.topic_name, self.topic)
        self._credit.request(request.num_requested)

    def ready(self, now_ms: int) -> int:
        """How many events could be sent now."""
        if self.topic is None or not self._credit.pending or not self._settled(now_ms):
            return 0
        return min(self._credit.pending, self._log.available(self.topic, self._cursor))

    def next_response(self, now_ms: int, most: int) -> Response | None:
        """The events that may be sent now, at most `most`, or None when there is no credit or no event."""
        ready = min(self.ready(now_ms), most)
        if ready > 1 and self._rng.random() < self._split_share:
            ready = self._rng.randint(1, ready)
        batch = self._log.read(self.topic, self._cursor, ready) if ready and self.topic is not None else None
        if batch is None:
            return None
        self._cursor = batch.cursor
        pending = self._credit.spend(len(batch.events))
        data = protobuf_bytes.fetch_response(batch.events, batch.last_replay_id, self._rpc_id, pending)
        return Response(data, len(batch.events))

    def keepalive(self, now_ms: int) -> Response:
        """Return an empty response, with a position that is safe to resume from while no event can be sent."""
        return Response(
            protobuf_bytes.fetch_response([], self._log.keepalive_id(now_ms), self._rpc_id, self._credit.pending)
        )

    def _start(self, request: pb.FetchRequest, now_ms: int) -> int:
        if not request.topic_name:
            raise rpc_errors.topic_empty()
        try:
            preset = Preset(request.replay_preset)
        except ValueError as error:
            raise rpc_errors.preset_unknown(request.replay_preset) from error
        if preset is Preset.CUSTOM and not request.replay_id:
            raise rpc_errors.replay_id_missing()
        if preset is Preset.LATEST and self._settle_ms:
            self._settled_at_ms = now_ms + self._settle_ms
        try:
            return self._log.start(request.topic_name, preset, request.replay_id, now_ms)
        except UnknownTopicError as error:
            raise rpc_errors.topic_not_found(request.topic_name) from error
        except ReplayIdError as error:
            raise rpc_errors.replay_id_corrupted() from error

    def _settled(self, now_ms: int) -> bool:
        if self._settled_at_ms is None:
            return True
        if self.topic is None or now_ms < self._settled_at_ms:
            return False
        self._cursor = max(self._cursor, self._log.first_since(self.topic, self._settled_at_ms))
        self._settled_at_ms = None
        return True
