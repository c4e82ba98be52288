"""Calls to Salesforce's Interaction Service API, and the records of how they ended.

A `SalesforceCall` is posted to `<base>/<api>` with the headers that the service asks for; every call ends as one
`SalesforceCallResult`. A call with a deadline is never sent at or after it: Salesforce has concluded the request by
then, and a late call could only do harm. The service promises no de-duplication by `RequestId`, so that is a new UUID
per attempt, for tracing only; after a crash a call can be made twice.
"""

import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.errors import RetriableError, TerminalError
from connectors.kafka.consumed import ConsumedRecord, OutputRecord
from connectors.salesforce.auth import TokenSource
from connectors.salesforce.token_reply import Token
from connectors.sinks.engine.port import Done, Outcome, Rejected
from connectors.sinks.http.client import ExchangeResult, HttpClient, HttpResponse, SendForbidden, Verdict
from connectors.sinks.interaction.answers import Meaning, ServiceAnswer, meaning, parse
from schemas.codec import DecodeError, decode, encode
from schemas.dead_letters import Stage
from schemas.records import CallOutcome, SalesforceCall, SalesforceCallResult

log = logging.getLogger(__name__)

_SHORT_ID = 15  # the service takes org ids without the three check characters
_HEADER_WORD = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One operation of the service: its path under the base URL, and the context type header where it asks for one."""

    path: str
    context_type: str | None = None


# One row per (SalesforceCall.api, SalesforceCall.method) that may be called; all else is rejected.
APIS: Mapping[tuple[str, str], Api] = {
    ("routingResult", "POST"): Api(path="routingResult"),
    ("route", "POST"): Api(path="route"),
    ("route", "DELETE"): Api(path="route"),
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
    """A sink for `SalesforceCall` records. Each becomes a result record: accepted, rejected, expired or failed."""

    def __init__(
        self,
        *,
        service: Service,
        results_topic: str,
        make_client: Callable[[], HttpClient],
        make_tokens: Callable[[], TokenSource],
        now_ms: Callable[[], int],
    ) -> None:
        """`make_client` and `make_tokens` are called in `open`, on the event loop.

        `now_ms` is the clock of deadlines and results, in epoch milliseconds.
        """
        self._service = service
        self._results_topic = results_topic
        self._make_client = make_client
        self._make_tokens = make_tokens
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
        try:
            await self._tokens.token()
        except RetriableError as error:
            log.warning("login server did not answer at the start", extra={"error": str(error)})

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
        request = _CallRequest(call, api, self._service, self._tokens, self._now_ms)
        try:
            result = await self._client.exchange(request)
        except SendForbidden as forbidden:
            outcome = CallOutcome.EXPIRED if forbidden.reason == _EXPIRED else CallOutcome.REJECTED
            return self._result(call, outcome, request, message=forbidden.reason)
        return self._result(call, _outcome_of(result, request), request, message=result.problem)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
        if self._tokens is not None:
            await self._tokens.close()

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


_EXPIRED = "the deadline came first"
_WRONG_ORG = "the call is for another org than the credentials of this connector; use one connector per org"


class _CallRequest:
    """One call as an HTTP request. Remembers the service's last answer, and whether a new token has been tried."""

    reads_body = True

    def __init__(
        self, call: SalesforceCall, api: Api, service: Service, tokens: TokenSource, now_ms: Callable[[], int]
    ) -> None:
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

    async def headers(self) -> Mapping[str, str]:
        """The headers of every call, with a new `RequestId`. Checks the deadline last: a token can take a while.

        Raises `SendForbidden` after the deadline or for a call of another org, `TerminalError` for a token that no
        header can carry, and what the login raises.
        """
        token = await self._tokens.token()
        if not _HEADER_WORD.fullmatch(token.access_token):
            raise TerminalError("calling the Interaction Service: the access token is no header value; check the login")
        if self._org_id and self._org_id[:_SHORT_ID] != token.org_id[:_SHORT_ID]:
            raise SendForbidden(_WRONG_ORG)
        if self._deadline_ms is not None and self._now_ms() >= self._deadline_ms:
            raise SendForbidden(_EXPIRED)
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

    def time_left_s(self) -> float | None:
        """Seconds until the deadline: an attempt that is still under way then is cut off."""
        return None if self._deadline_ms is None else max(0.0, (self._deadline_ms - self._now_ms()) / 1000)

    def judge(self, response: HttpResponse) -> Verdict:
        """By error code, then status. A refused token is renewed once per call; a second refusal is final."""
        self.status = response.status
        self.answer = parse(response.body)
        match meaning(response.status, self.answer):
            case Meaning.RETRY:
                return Verdict.RETRY
            case Meaning.NEW_TOKEN if self._token is not None and not self._token_renewed:
                self._tokens.invalidate(self._token)
                self._token_renewed = True
                return Verdict.RETRY_AT_ONCE
            case _:
                return Verdict.FINAL

    @property
    def accepted(self) -> bool:
        """Whether the last answer accepted the call."""
        if self.answer is None or self.status is None:
            return False
        return meaning(self.status, self.answer) is Meaning.ACCEPTED


def _outcome_of(result: ExchangeResult, request: _CallRequest) -> CallOutcome:
    if not result.final:
        return CallOutcome.FAILED
    return CallOutcome.ACCEPTED if request.accepted else CallOutcome.REJECTED
