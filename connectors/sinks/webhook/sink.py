"""Deliveries to the partner's channel: one signed POST each.

The request follows Standard Webhooks. `webhook-id` is the delivery id, the same for every repeat for ever, so the
receiver can drop repeats. `webhook-timestamp` and `webhook-signature` are new in each attempt, because receivers refuse
stale ones. The body is the `Delivery` as JSON, absent fields as null.

What a status means: 2xx, the delivery arrived; 410, it never will; 400, 413 and 422, it is sent a few times more;
anything else, redirects included, and it is sent again until the bounds of a hold. A delivery with `expires_at_ms` is
worth nothing from then on and is dropped.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from standardwebhooks import Webhook

from connectors.kafka.consumed import ConsumedRecord, OutputRecord, Partition
from connectors.sinks.engine.port import Done, Dropped, Outcome, Rejected
from connectors.sinks.http.client import ExchangeResult, HttpClient, HttpResponse, SendForbidden, Verdict
from connectors.sinks.http.status import FEW_ATTEMPTS, Patience, StatusRules, is_success
from schemas.codec import DecodeError, decode, encode
from schemas.dead_letters import Stage
from schemas.records import Delivery, DeliveryReceipt, ReceiptStatus

_EXPIRED = "expired"
_REPORTED_BY = "webhook"


class WebhookPoster:
    """A sink for `Delivery` records. Each success and each final failure becomes a `DeliveryReceipt`."""

    def __init__(
        self,
        *,
        url: str,
        signer: Webhook,
        statuses: StatusRules,
        receipts_topic: str,
        make_client: Callable[[], HttpClient],
        now_ms: Callable[[], int],
    ) -> None:
        """`statuses` says how long each is repeated. `make_client` is called in `open`, on the event loop.

        `now_ms` is the clock of signature, expiry and receipt.
        """
        self._url = url
        self._statuses = statuses
        self._signer = signer
        self._receipts_topic = receipts_topic
        self._make_client = make_client
        self._now_ms = now_ms
        self._client: HttpClient | None = None

    async def open(self) -> None:
        """Make the connection pool; the receiver is not asked for anything but its certificate.

        Raises `TerminalError` when that is refused.
        """
        self._client = self._make_client()
        await self._client.check(self._url)

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Nothing to do: a delivery has its id, by which the receiver drops a repeat."""

    async def put(self, record: ConsumedRecord) -> Outcome:
        """POST one delivery until it has arrived, cannot arrive or has expired.

        Raises `TerminalError` when the receiver could not be reached for as long as the delivery was held, for a reason
        that lies in the configuration: then no delivery is given up for it.
        """
        if self._client is None:
            raise RuntimeError("put() before open()")
        try:
            delivery = decode(Delivery, record.value or b"")
        except DecodeError as error:
            return Rejected(stage=Stage.VALUE_CONVERTER, error=type(error).__name__, message=str(error))
        if not _fits_a_header(delivery.delivery_id):
            message = "posting a delivery: its delivery_id holds characters that no webhook-id header can carry"
            return Rejected(stage=Stage.TASK_PUT, error="ValueError", message=message)
        try:
            result = await self._client.exchange(
                _DeliveryRequest(delivery, self._url, self._signer, self._statuses, self._now_ms)
            )
        except SendForbidden:
            return Dropped(reason=_EXPIRED)
        return self._outcome(delivery, result)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    def _outcome(self, delivery: Delivery, result: ExchangeResult) -> Outcome:
        response = result.response
        if result.final and response is not None and is_success(response.status):
            return Done(outputs=(self._receipt(delivery, ReceiptStatus.DELIVERED, None),))
        if delivery.expires_at_ms is not None and self._now_ms() >= delivery.expires_at_ms:
            return Dropped(reason=_EXPIRED)
        if result.final and response is not None:
            reason = f"answered {response.status}"
        else:
            reason = f"gave up after {result.attempts} attempts: {result.problem}"
        return Rejected(
            stage=Stage.TASK_PUT,
            error="DeliveryFailed",
            message=f"posting delivery {delivery.delivery_id}: the receiver {reason}",
            outputs=(self._receipt(delivery, ReceiptStatus.FAILED, reason),),
        )

    def _receipt(self, delivery: Delivery, status: ReceiptStatus, reason: str | None) -> OutputRecord:
        receipt = DeliveryReceipt(
            delivery_id=delivery.delivery_id,
            conversation_id=delivery.conversation_id,
            entry_id=delivery.entry_id,
            status=status.value,
            reason=reason,
            reported_by=_REPORTED_BY,
            at_ms=self._now_ms(),
        )
        return OutputRecord(topic=self._receipts_topic, key=delivery.conversation_id.encode(), value=encode(receipt))


class _DeliveryRequest:
    """One delivery as an HTTP request."""

    method = "POST"
    reads_body = False

    def __init__(
        self, delivery: Delivery, url: str, signer: Webhook, statuses: StatusRules, now_ms: Callable[[], int]
    ) -> None:
        self.url = url
        self.conversation = delivery.conversation_id
        self.body = msgspec.json.encode(delivery)
        self._text = self.body.decode()
        self._id = delivery.delivery_id
        self._expires_at_ms = delivery.expires_at_ms
        self._signer = signer
        self._statuses = statuses
        self._final_soon = 0
        self._now_ms = now_ms

    async def headers(self) -> Mapping[str, str]:
        """The headers of every webhook, signed for this attempt.

        Raises `SendForbidden` when the delivery has expired.
        """
        now_ms = self._now_ms()
        if self._expires_at_ms is not None and now_ms >= self._expires_at_ms:
            raise SendForbidden(_EXPIRED)
        now_s = now_ms // 1000
        return {
            "Content-Type": "application/json",
            "webhook-id": self._id,
            "webhook-timestamp": str(now_s),
            "webhook-signature": self._signer.sign(self._id, datetime.fromtimestamp(now_s, tz=UTC), self._text),
        }

    def time_left_s(self) -> float | None:
        """Seconds until the delivery expires, at least 1 ms."""
        if self._expires_at_ms is None:
            return None
        return max(0.001, (self._expires_at_ms - self._now_ms()) / 1000)

    def judge(self, response: HttpResponse) -> Verdict:
        """By status, with the patience that the settings have for it."""
        match self._statuses.patience(response.status):
            case Patience.RETRY:
                return Verdict.RETRY
            case Patience.FINAL_SOON:
                self._final_soon += 1
                return Verdict.FINAL if self._final_soon >= FEW_ATTEMPTS else Verdict.RETRY
            case _:
                return Verdict.FINAL

    def not_connected(self) -> None:
        """Nothing to do: a repeat is dropped by its id."""


def _fits_a_header(text: str) -> bool:
    return text.isascii() and text.isprintable() and text != ""
