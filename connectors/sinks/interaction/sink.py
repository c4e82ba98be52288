"""Calls to Salesforce's Interaction Service API, and the records of how they ended.

A `SalesforceCall` is posted to `<base>/<api>` with the headers that the service asks for; every call ends as one
`SalesforceCallResult`. A call with a deadline is never sent at or after it: Salesforce has concluded the request by
then, and a late call could only do harm. The service promises no de-duplication by `RequestId`, so that is a new UUID
per attempt, for tracing only. After a crash a call whose repeat is harmless can be made twice; one that could end
another routing request is made again only when the log shows that it had no effect (`doubt.py`, `journal.py`).
"""

import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from connectors.errors import RetriableError, TerminalError
from connectors.kafka.consumed import ConsumedRecord, OutputRecord, Partition
from connectors.salesforce.auth import TokenSource
from connectors.salesforce.token_reply import Token
from connectors.sinks.engine.port import Done, Dropped, Outcome, Rejected
from connectors.sinks.http.client import ExchangeResult, HttpClient, HttpResponse, SendForbidden, Verdict
from connectors.sinks.interaction.answers import Meaning, ServiceAnswer, meaning, parse
from connectors.sinks.interaction.doubt import Once, Past, Step, what_to_do
from connectors.sinks.interaction.journal import CallJournal
from connectors.sinks.interaction.routing_log import RoutingLog, routing_type_of
from schemas.codec import DecodeError, decode, encode
from schemas.dead_letters import Stage
from schemas.records import CallOutcome, SalesforceCall, SalesforceCallResult

log = logging.getLogger(__name__)

_GATEWAY_LOST = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
_SHORT_ID = 15  # the service takes org ids without the three check characters
_HEADER_WORD = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One operation of the service: its path under the base URL, and the context type header where it asks for one.

    `once` says whether a repeat could hit what it was not meant for: such a call is written to the journal first.
    """

    path: str
    context_type: str | None = None
    once: Once = Once.HARMLESS


# One row per (SalesforceCall.api, SalesforceCall.method) that may be called; all else is rejected.
APIS: Mapping[tuple[str, str], Api] = {
    # these three name a conversation and no request; the others name the work, the rep, the session or the entry
    ("routingResult", "POST"): Api(path="routingResult", once=Once.UNTIL_CONCLUDED),
    ("route", "POST"): Api(path="route", once=Once.UNTIL_CONCLUDED),
    ("route", "DELETE"): Api(path="route", once=Once.UNTIL_NEWER),
    ("agentWork", "POST"): Api(path="agentWork"),
    ("agentWork", "PATCH"): Api(path="agentWork", context_type="ConversationChannelDefinition"),
    ("acknowledgement", "POST"): Api(path="acknowledgement"),
    ("participant", "POST"): Api(path="participant"),
    ("messagingSession", "POST"): Api(path="messagingSession"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where the service is and as whom it is called: `authorization_context` is the channel definition's name."""

    api_url: str
    authorization_context: str


class InteractionCaller:
    """A sink for `SalesforceCall` records. Each becomes a result record with one of the words of `CallOutcome`."""

    def __init__(
        self,
        *,
        service: Service,
        results_topic: str,
        make_client: Callable[[], HttpClient],
        make_tokens: Callable[[], TokenSource],
        journal: CallJournal,
        routing_log: RoutingLog,
        now_ms: Callable[[], int],
    ) -> None:
        """`journal` and `routing_log` are this sink's own. `make_client` and `make_tokens` are called in `open`.

        `now_ms` is the clock of deadlines and results, in epoch milliseconds.
        """
        self._service = service
        self._results_topic = results_topic
        self._make_client = make_client
        self._make_tokens = make_tokens
        self._journal = journal
        self._routing_log = routing_log
        self._now_ms = now_ms
        self._client: HttpClient | None = None
        self._tokens: TokenSource | None = None

    async def open(self) -> None:
        """Make the connection pools and log in once, so that wrong credentials show at the start.

        A login server that does not answer is no reason not to start: calls wait for it within their bounds.
        """
        self._client = self._make_client()
        self._tokens = self._make_tokens()
        await self._client.check(self._service.api_url)
        await self._journal.open()
        try:
            await self._tokens.token()
        except RetriableError as error:
            log.warning("login server did not answer at the start", extra={"error": str(error)})

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """What the journal says of these partitions is read again."""
        self._journal.assigned(partitions)

    async def put(self, record: ConsumedRecord) -> Outcome:
        """Make one call. Raises `TerminalError` when the login server refuses the credentials."""
        if self._client is None or self._tokens is None:
            raise RuntimeError("put() before open()")
        try:
            call = decode(SalesforceCall, record.value or b"")
        except DecodeError as error:
            return Rejected(stage=Stage.VALUE_CONVERTER, error=type(error).__name__, message=str(error))
        api = APIS.get((call.api, call.method))
        if api is None:
            return self._unknown(call)
        journaled = api.once is not Once.HARMLESS
        intend = partial(self._journal.intend, record, call.call_id) if journaled else None
        request = _CallRequest(call, api, self._service, self._tokens, self._now_ms, intend)
        past = await self._journal.past(record, call.call_id) if journaled else Past()
        return await self._made(self._client, call, api.once, request, past)

    async def _made(
        self, client: HttpClient, call: SalesforceCall, once: Once, request: "_CallRequest", past: Past
    ) -> Outcome:
        """Make a call; again after a doubt, when that is settled. A call whose repeat is harmless is never in doubt."""
        until_ms = call.deadline_ms or self._now_ms() + _WITHOUT_DEADLINE_MS
        while True:
            step = await self._next_step(call, once, past, until_ms)
            if step is Step.SKIP:
                return Dropped(reason=_KNOWN)
            if step is Step.WITHHOLD:
                return self._result(call, CallOutcome.EXPIRED, request, message=_REQUEST_OVER)
            if step is Step.END_IN_DOUBT:
                return self._result(call, CallOutcome.IN_DOUBT, request, message=_NOT_REPEATED)
            request.begin()
            outcome = await self._exchanged(client, call, request)
            if outcome is not None:
                return outcome
            past = Past(attempted_at_ms=self._now_ms())

    async def _exchanged(self, client: HttpClient, call: SalesforceCall, request: "_CallRequest") -> Done | None:
        """Send until the answer is final. None when that would repeat an attempt that may have had its effect."""
        try:
            result = await client.exchange(request)
        except SendForbidden as forbidden:
            if forbidden.reason == _IN_DOUBT:
                return None
            outcome = CallOutcome.EXPIRED if forbidden.reason == _EXPIRED else CallOutcome.REJECTED
            return self._result(call, outcome, request, message=forbidden.reason)
        return self._result(call, _outcome_of(result, request), request, message=result.problem)

    async def _next_step(self, call: SalesforceCall, once: Once, past: Past, until_ms: int) -> Step:
        """Decide, asking the log as often as it takes: until its events have passed the attempt, or `until_ms`."""
        decide = partial(what_to_do, once, call.created_at_ms, until_ms, past)
        step = decide(None, self._now_ms())
        if step is not Step.ASK:
            return step
        request_id = call.request_id or call.call_id  # a call that names no request is found nowhere
        routing_type = routing_type_of(call.body)
        async with self._routing_log.asking() as events:
            while step is Step.ASK:
                view = await events.look(call.conversation_id, request_id, routing_type)
                step = decide(view, self._now_ms())
        return step

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
        if self._tokens is not None:
            await self._tokens.close()
        await self._journal.close()

    def _unknown(self, call: SalesforceCall) -> Rejected:
        message = f"calling {call.method} {call.api}: this sink does not know that operation"
        result = self._record(
            call, CallOutcome.REJECTED, attempts=0, status=None, answer=ServiceAnswer(message=message)
        )
        return Rejected(stage=Stage.TASK_PUT, error="UnknownApi", message=message, outputs=(result,))

    def _result(
        self, call: SalesforceCall, outcome: CallOutcome, request: "_CallRequest", message: str | None = None
    ) -> Done:
        answer = request.answer or ServiceAnswer()
        if outcome is CallOutcome.ACCEPTED:
            answer = ServiceAnswer(ids=answer.ids)
        elif answer.message is None:
            answer = ServiceAnswer(code=answer.code, message=message)
        record = self._record(call, outcome, attempts=request.attempts, status=request.status, answer=answer)
        return Done(outputs=(record,))

    def _record(
        self, call: SalesforceCall, outcome: CallOutcome, *, attempts: int, status: int | None, answer: ServiceAnswer
    ) -> OutputRecord:
        result = SalesforceCallResult(
            call_id=call.call_id,
            conversation_id=call.conversation_id,
            api=call.api,
            request_id=call.request_id,
            outcome=outcome.value,
            http_status=status,
            error_code=answer.code,
            error_message=answer.message,
            attempts=attempts,
            completed_at_ms=self._now_ms(),
            ids=json.dumps(dict(answer.ids)) if answer.ids else None,
        )
        return OutputRecord(topic=self._results_topic, key=call.conversation_id.encode(), value=encode(result))


_WITHOUT_DEADLINE_MS = 60_000  # as long as Salesforce waits for an answer
_EXPIRED = "the deadline came first"
_IN_DOUBT = "an attempt may have had its effect"
_NOT_REPEATED = "an attempt may have reached Salesforce; it is not repeated, because it could end another request"
_REQUEST_OVER = "its routing request has a result, or a newer one has followed it"
_KNOWN = "result_known"
_WRONG_ORG = "the call is for another org than the credentials of this connector; use one connector per org"


class _CallRequest:
    """One call as an HTTP request. Remembers the service's last answer, and whether a new token has been tried."""

    reads_body = True

    def __init__(
        self,
        call: SalesforceCall,
        api: Api,
        service: Service,
        tokens: TokenSource,
        now_ms: Callable[[], int],
        intend: Callable[[], Awaitable[bool]] | None,
    ) -> None:
        """`intend` writes to the journal that an attempt follows; None for a call whose repeat is harmless."""
        self.method = call.method
        self.conversation = call.conversation_id
        self.url = f"{service.api_url.rstrip('/')}/{api.path}"
        self.body = call.body.encode()
        self.attempts = 0
        self.status: int | None = None
        self.answer: ServiceAnswer | None = None
        self._org_id = call.org_id
        self._api = api
        self._context = service.authorization_context
        self._deadline_ms = call.deadline_ms
        self._tokens = tokens
        self._token: Token | None = None
        self._token_renewed = False
        self._now_ms = now_ms
        self._intend = intend
        self._in_doubt = False

    def begin(self) -> None:
        """The exchange begins, or begins again after a doubt that is settled."""
        self._in_doubt = False

    async def headers(self) -> Mapping[str, str]:
        """The headers of every call, with a new `RequestId`. Checks the deadline last: a token can take a while.

        A call that must not be made twice is written to the journal before each attempt. Raises `SendForbidden` after
        the deadline, for a call of another org, and when such a call may have been made; `TerminalError` for a token
        that no header can carry; and what the login raises.
        """
        if self._in_doubt:
            raise SendForbidden(_EXPIRED if self._is_late() else _IN_DOUBT)
        token = await self._tokens.token()
        if not _HEADER_WORD.fullmatch(token.access_token):
            raise TerminalError("calling the Interaction Service: the access token is no header value; check the login")
        if self._org_id and self._org_id[:_SHORT_ID] != token.org_id[:_SHORT_ID]:
            raise SendForbidden(_WRONG_ORG)
        if self._is_late():
            raise SendForbidden(_EXPIRED)
        if self._intend is not None:
            if not await self._intend():
                raise SendForbidden(_IN_DOUBT)  # stopped for so long that another member may have made the call
            if self._is_late():
                raise SendForbidden(_EXPIRED)
            self._in_doubt = True
        self._token = token
        self.attempts += 1
        headers = {
            "Authorization": f"Bearer {token.access_token}",
            "OrgId": token.org_id[:_SHORT_ID],
            "AuthorizationContext": self._context,
            "RequestId": str(uuid.uuid4()),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        if self._api.context_type is not None:
            headers["AuthorizationContextType"] = self._api.context_type
        return headers

    def _is_late(self) -> bool:
        return self._deadline_ms is not None and self._now_ms() >= self._deadline_ms

    def time_left_s(self) -> float | None:
        """Seconds until the deadline: an attempt that is still under way then is cut off."""
        return None if self._deadline_ms is None else max(0.0, (self._deadline_ms - self._now_ms()) / 1000)

    def judge(self, response: HttpResponse) -> Verdict:
        """By error code, then status. A refused token is renewed once per call; a second refusal is final."""
        self.status = response.status
        self.answer = parse(response.body)
        # a gateway's word that it got no answer says nothing about the service behind it
        self._in_doubt = self._in_doubt and self.answer.code is None and response.status in _GATEWAY_LOST
        match meaning(response.status, self.answer):
            case Meaning.RETRY:
                return Verdict.RETRY
            case Meaning.NEW_TOKEN if self._token is not None and not self._token_renewed:
                self._tokens.invalidate(self._token)
                self._token_renewed = True
                return Verdict.RETRY_AT_ONCE
            case _:
                return Verdict.FINAL

    def not_connected(self) -> None:
        """The attempt had no effect."""
        self._in_doubt = False

    @property
    def in_doubt(self) -> bool:
        """Whether the last attempt got no answer, and its repeat could end another request."""
        return self._in_doubt

    @property
    def accepted(self) -> bool:
        """Whether the last answer accepted the call."""
        if self.answer is None or self.status is None:
            return False
        return meaning(self.status, self.answer) is Meaning.ACCEPTED


def _outcome_of(result: ExchangeResult, request: _CallRequest) -> CallOutcome:
    if not result.final:
        return CallOutcome.IN_DOUBT if request.in_doubt else CallOutcome.FAILED
    return CallOutcome.ACCEPTED if request.accepted else CallOutcome.REJECTED
