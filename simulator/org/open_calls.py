"""The calls that are open now: what each is and what it was sent; what `/v1/stats` tells of them. Pure."""

from collections.abc import Callable

import msgspec

from simulator.faults.rpc_errors import RpcError


class OpenCall(msgspec.Struct, frozen=True, kw_only=True):
    """An open call, as `/v1/stats` shows it. `replay_preset` and `replay_id` are those of its first request."""

    rpc_id: str
    rpc: str
    topic: str | None
    replay_preset: str | None
    replay_id: bytes | None
    peer: str
    client: str | None
    sent_events: int
    pending: int


class Call:
    """One call from its headers to its end. The code that serves it keeps its fields up to date."""

    def __init__(self, rpc: str, rpc_id: str, *, token: str = "", owner: str | None = None, peer: str = "") -> None:
        """`owner`: the client id or user name that the token was issued to. `peer`: the address as gRPC names it."""
        self.rpc = rpc
        self.rpc_id = rpc_id
        self.token = token
        self.owner = owner
        self.peer = peer
        self.topic: str | None = None
        self.replay_preset: str | None = None
        self.replay_id: bytes | None = None
        self.sent_events = 0
        self.pending = 0
        self.cut: RpcError | None = None  # the stream ends with it as soon as it is woken
        self.wake: Callable[[], None] = lambda: None

    def as_shown(self) -> OpenCall:
        """Return what `/v1/stats` tells of it now."""
        return OpenCall(
            rpc_id=self.rpc_id,
            rpc=self.rpc,
            topic=self.topic,
            replay_preset=self.replay_preset,
            replay_id=self.replay_id,
            peer=self.peer,
            client=self.owner,
            sent_events=self.sent_events,
            pending=self.pending,
        )


class OpenCalls:
    """The open calls of one org, how many of each RPC there ever were, and how many events each client was sent."""

    def __init__(self) -> None:
        """Begin without any."""
        self._calls: dict[str, Call] = {}
        self.opened: dict[str, int] = {}
        self.delivered: dict[str, int] = {}

    def add(self, call: Call) -> None:
        """Take a call that begins now."""
        self._calls[call.rpc_id] = call
        self.opened[call.rpc] = self.opened.get(call.rpc, 0) + 1

    def remove(self, call: Call) -> None:
        """Forget a call that has ended."""
        self._calls.pop(call.rpc_id, None)

    def sent(self, call: Call, events: int) -> None:
        """Count the events of one response."""
        call.sent_events += events
        client = call.owner or "unknown"
        self.delivered[client] = self.delivered.get(client, 0) + events

    def shown(self) -> list[OpenCall]:
        """Return what `/v1/stats` tells of each open call."""
        return [call.as_shown() for call in self._calls.values()]

    def cut(self, reason: RpcError, *, tokens: frozenset[str] | None = None, rpc_id: str | None = None) -> int:
        """End the open calls, or only those of these tokens or with this id; return how many."""
        hit = [
            call
            for call in self._calls.values()
            if (tokens is None or call.token in tokens) and rpc_id in (None, call.rpc_id)
        ]
        for call in hit:
            call.cut = reason
            call.wake()
        return len(hit)
