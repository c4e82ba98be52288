"""One ManagedSubscribe call: the org keeps the position of the subscription, and commits move it. No I/O, no clock."""

from typing import Any

from schemas.proto import pubsub_api_pb2 as pb
from simulator.events.seeded import SeededRandom
from simulator.faults import rpc_errors
from simulator.org import replay_ids
from simulator.org.event_log import EventLog, Preset
from simulator.org.managed_subscriptions import ManagedSubscription, ManagedSubscriptions, is_id
from simulator.org.replay_ids import ReplayIdError
from simulator.pubsub.subscription import Response, Subscription


class ManagedStream(Subscription):
    """Takes ManagedFetchRequests. `commit_timeout_s`: how long the call may go on without any commit."""

    def __init__(
        self,
        log: EventLog,
        subscriptions: ManagedSubscriptions,
        *,
        rpc_id: str,
        rng: SeededRandom,
        split_share: float,
        commit_timeout_s: float,
        release_ms: int,
    ) -> None:
        """`release_ms`: how long the subscription stays taken when the stream breaks."""
        super().__init__(log, rpc_id=rpc_id, rng=rng, split_share=split_share)
        self._subscriptions = subscriptions
        self._commit_timeout_s = commit_timeout_s
        self._release_ms = release_ms
        self._held: ManagedSubscription | None = None
        self._answers: list[pb.CommitReplayResponse] = []
        self._seen = 0  # the highest position that the client was told
        self._committed = True  # since the last look at the time
        self._last_commit_s = 0.0

    def topic_of(self, request: Any) -> str | None:
        """Return the topic of the managed subscription that the first request names."""
        found = self._find(request)
        return found.topic if found is not None else None

    def start_of(self, request: Any) -> tuple[str, bytes]:
        """Return `MANAGED` and the committed replay id, which is empty before the first commit."""
        found = self._find(request)
        return "MANAGED", (found.committed or b"") if found is not None else b""

    def take_request(self, request: Any, now_ms: int) -> None:
        """Take a request: the first one opens the subscription, later ones commit or add credit. Raises `RpcError`."""
        if self._held is None:
            self._held = self._open(request, now_ms)
            self._held.take(self._rpc_id)
            self._cursor = self._start_of(self._held, now_ms)
            self.topic = self._held.topic
        elif request.HasField("commit_replay_id_request"):
            self._commit(self._held, request.commit_replay_id_request, now_ms)
        elif not request.num_requested:
            raise rpc_errors.managed_request_refused("fetch.request.invalid", "The request asks for nothing.")
        if request.num_requested < 0:
            text = f"num_requested is {request.num_requested}; it must be zero or more."
            raise rpc_errors.managed_request_refused("fetch.request.events.invalid", text)
        if request.num_requested:
            self._credit.request(request.num_requested)

    def next_response(self, now_ms: int, most: int) -> Response | None:
        """Return the answers to commits first, and then events as a plain subscription does."""
        if self._answers:
            # Commits that came together are answered by the last one that was taken.
            taken = [answer for answer in self._answers if not answer.HasField("error")]
            refused = [answer for answer in self._answers if answer.HasField("error")]
            answer = refused[0] if refused else taken[-1]
            self._answers = refused[1:] + taken if refused else []
            message = pb.ManagedFetchResponse(
                rpc_id=self._rpc_id, pending_num_requested=self._credit.pending, commit_response=answer
            )
            return Response(message.SerializeToString())
        response = super().next_response(now_ms, most)
        return self._told(response) if response is not None else None

    def keepalive(self, now_ms: int) -> Response:
        """Return an empty response; its replay id may be committed."""
        return self._told(super().keepalive(now_ms))

    def check_idle(self, now_s: float) -> float | None:
        """Return when the next commit is due at the latest, in clock seconds. Raises `RpcError` when it is overdue."""
        if self._committed:
            self._last_commit_s = now_s
            self._committed = False
        if now_s - self._last_commit_s >= self._commit_timeout_s:
            raise rpc_errors.no_commits(self._commit_timeout_s)
        return self._last_commit_s + self._commit_timeout_s

    def close(self, *, in_order: bool, now_ms: int) -> None:
        """Release the managed subscription: at once when the client ended the stream, else after `release_ms`."""
        if self._held is not None:
            self._held.release(free_at_ms=None if in_order else now_ms + self._release_ms)

    def _told(self, response: Response) -> Response:
        latest = pb.ManagedFetchResponse.FromString(response.data).latest_replay_id
        self._seen = max(self._seen, replay_ids.decode(latest))
        return response

    def _find(self, request: Any) -> ManagedSubscription | None:
        if request.subscription_id:
            return self._subscriptions.with_id(request.subscription_id)
        return self._subscriptions.named(request.developer_name)

    def _open(self, request: Any, now_ms: int) -> ManagedSubscription:
        if request.auth_refresh:
            raise rpc_errors.managed_request_refused("auth.request.restricted", "auth_refresh is not for clients.")
        if request.HasField("commit_replay_id_request"):
            raise rpc_errors.managed_request_refused("commit.request.restricted", "The first request cannot commit.")
        # The code's name says empty; the service is said to send it when both are given, too.
        if bool(request.subscription_id) is bool(request.developer_name):
            text = "Either the subscription id or the developer name must be given."
            raise rpc_errors.managed_request_refused("id.or.developer.name.empty", text)
        if request.subscription_id and not is_id(request.subscription_id):
            raise rpc_errors.managed_request_refused("subscription.id.invalid", "The subscription id is malformed.")
        found = self._find(request)
        if found is None:
            code = "subscription.id.not.found" if request.subscription_id else "developer.name.not.found"
            raise rpc_errors.managed_not_found(code)
        if found.state == "STOP":
            raise rpc_errors.managed_stopped()
        if found.is_taken(now_ms):
            raise rpc_errors.managed_taken()
        return found

    def _start_of(self, held: ManagedSubscription, now_ms: int) -> int:
        preset = Preset[held.default_replay]
        if held.committed is not None:
            try:
                return self._log.start(held.topic, Preset.CUSTOM, held.committed, now_ms)
            except ReplayIdError:
                preset = Preset[held.error_recovery_replay]
                held.committed = None
        return self._log.start(held.topic, preset, b"", now_ms)

    def _commit(self, held: ManagedSubscription, request: Any, now_ms: int) -> None:
        answer = pb.CommitReplayResponse(
            commit_request_id=request.commit_request_id, replay_id=request.replay_id, process_time=now_ms
        )
        refusal = self._refusal(held, request.replay_id)
        if refusal is None:
            held.committed = request.replay_id
            self._committed = True
        else:
            answer.error.CopyFrom(pb.Error(code=pb.COMMIT, msg=refusal))
        self._answers.append(answer)

    def _refusal(self, held: ManagedSubscription, replay_id: bytes) -> str | None:
        if not replay_id:
            return "The commit has no replay id."
        try:
            position = self._log.position(replay_id)
        except ReplayIdError:
            return "The replay id is not valid or has expired."
        if position > self._seen:
            return "The replay id was not delivered yet."
        if held.committed is not None and position < replay_ids.decode(held.committed):
            return "The replay id is older than the committed one."
        return None
