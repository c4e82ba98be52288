"""Calls to Salesforce's Interaction Service API, and what became of them.

A `SalesforceCall` is posted to `<base>/<api>` with the headers that the service asks for; every call ends as one
`SalesforceCallResult`. A call with a deadline is never sent at or after it: Salesforce has concluded the request by
then, and a late answer could only do harm. The service promises no de-duplication by `RequestId`, so that is a new
UUID per attempt, for tracing only; after a crash a call can be made twice.
"""

import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from connectors.errors import RetriableError, TerminalError
from connectors.kafka.consumed import ConsumedRecord, OutputRecord
from connectors.salesforce.auth import Token
from connectors.sinks.engine.port import Done, Outcome, Rejected, Stage
from connectors.sinks.http.client import Answer, Exchanged, HttpClient, Refused, Verdict
from connectors.sinks.interaction.answers import Meaning, ServiceAnswer, meaning, parse
from schemas.codec import DecodeError, decode, encode
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


class Tokens(Protocol):
    """Where tokens come from; `connectors.salesforce.auth.TokenSource` is one."""

    async def token(self) -> Token:
        """The current token. Raises `RetriableError` or `TerminalError`."""
        ...

    def invalidate(self, token: Token) -> None:
        """Forget a token that was refused."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where the service is and as whom it is called: `authorization_context` is the channel definition's name."""

    api_url: str
    authorization_context: str


class InteractionCaller:
    """A sink for `SalesforceCall` records. Accepted, rejected, expired or failed: each becomes a result record."""

    def __init__(
        self,
        *,
        service: Service,
        results_topic: str,
        make_client: Callable[[], HttpClient],
        make_tokens: Callable[[], Tokens],
        now_ms: Callable[[], int],
    ) -> None:
        self._service = service
        self._results_topic = results_topic
        self._make_client = make_client
        self._make_tokens = make_tokens
        self._now_ms = now_ms
        self._client: HttpClient | None = None
        self._tokens: Tokens | None = None

    async def open(self) -> None:
        """Make the connection pools and log in once, so that wrong credentials show at the start.

        A login server that does not answer is no reason not to start: calls wait for it within their bounds.
        """
        self._client = self._make_client()
        self._tokens = self._make_tokens()
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
        request = _Request(call, api, self._service, self._tokens, self._now_ms)
        try:
            exchanged = await self._client.exchange(request)
        except Refused as refused:
            outcome = CallOutcome.EXPIRED if refused.reason == _EXPIRED else CallOutcome.REJECTED
            return self._result(call, outcome, request, message=refused.reason)
        return self._result(call, _outcome_of(exchanged, request), request, message=exchanged.problem)

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
        self, call: SalesforceCall, outcome: CallOutcome, request: "_Request", message: str | None = None
    ) -> Done:
        said = request.said or ServiceAnswer()
        if outcome is CallOutcome.ACCEPTED:
            said = ServiceAnswer(ids=said.ids)
        elif said.message is None:
            said = ServiceAnswer(code=said.code, message=message)
        record = self._record(call, outcome, attempts=request.attempts, status=request.status, answer=said)
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


class _Request:
    """One call as a request. Remembers what the service said last, and whether a new token has been tried."""

    def __init__(
        self, call: SalesforceCall, api: Api, service: Service, tokens: Tokens, now_ms: Callable[[], int]
    ) -> None:
        self.method = call.method
        self.url = f"{service.api_url.rstrip('/')}/{api.path}"
        self.body = call.body.encode()
        self.attempts = 0
        self.status: int | None = None
        self.said: ServiceAnswer | None = None
        self._org_id = call.org_id
        self._api = api
        self._context = service.authorization_context
        self._deadline_ms = call.deadline_ms
        self._tokens = tokens
        self._token: Token | None = None
        self._token_renewed = False
        self._now_ms = now_ms

    async def headers(self) -> Mapping[str, str]:
        """The service's headers, with a new `RequestId`. The deadline is looked at last: a token can take a while."""
        token = await self._tokens.token()
        if not _HEADER_WORD.fullmatch(token.access_token):
            raise TerminalError("calling the Interaction Service: the access token is no header value; check the login")
        if self._org_id and self._org_id[:_SHORT_ID] != token.org_id[:_SHORT_ID]:
            raise Refused(_WRONG_ORG)
        if self._deadline_ms is not None and self._now_ms() >= self._deadline_ms:
            raise Refused(_EXPIRED)
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
        """Until the deadline: an attempt that is still under way then is cut off."""
        return None if self._deadline_ms is None else max(0.0, (self._deadline_ms - self._now_ms()) / 1000)

    def judge(self, answer: Answer) -> Verdict:
        """By error code, then status. A refused token is renewed once per call, then the refusal stands."""
        self.status = answer.status
        self.said = parse(answer.body)
        match meaning(answer.status, self.said):
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
        """The last answer accepted the call."""
        return self.said is not None and self.status is not None and meaning(self.status, self.said) is Meaning.ACCEPTED


def _outcome_of(exchanged: Exchanged, request: _Request) -> CallOutcome:
    if not exchanged.final:
        return CallOutcome.FAILED
    return CallOutcome.ACCEPTED if request.accepted else CallOutcome.REJECTED
