"""The guards of the sinks' transport and of logins: what other peers send, and how long they are waited for."""

from tests.mutation.mutant import Mutant

STATUS = "test_status.py"
ANSWERS = "test_answers.py"
REPLIES = "test_token_replies.py"
TOKENS = "test_tokens.py"
ADDRESSES = "test_addresses.py"
HTTP = "tests/integration/test_sink_http.py -k"
HOSTILE = "tests/fault/test_hostile_receiver.py -k"


def _status(name: str, function: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"connectors.sinks.http.status:{function}", old, new, STATUS)


def _answer(name: str, function: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"connectors.sinks.interaction.answers:{function}", old, new, ANSWERS)


def _login(name: str, function: str, old: str, new: str, tests: str = REPLIES) -> Mutant:
    return Mutant(name, f"connectors.salesforce:{function}", old, new, tests)


SINKS = [
    _status(
        "retry after: no date breaks it",
        "retry_after_s",
        "(ValueError, TypeError, OverflowError, IndexError)",
        "(TypeError, IndexError)",
    ),
    _status("retry after: asctime is UTC", "retry_after_s", "at.replace(tzinfo=UTC)", "at"),
    _status("retry after: a day at most", "retry_after_s", "min(float(text), LONGEST_RETRY_AFTER_S)", "float(text)"),
    _status("status: interim responses are passed", "status_of", "status >= HTTPStatus.OK", "True"),
    _status(
        "body: at most 64 KiB unpacked",
        "decoded",
        "zlib.decompressobj(window).decompress(body, BODY_BYTES)",
        "zlib.decompressobj(window).decompress(body)",
    ),
    _status("patience: a class leaves 408, 425 and 429", "patience", "status in _TEMPORARY", "False"),
    _status("patience: 410 is final", "RECEIVER_STATUSES", "'410': Patience.FINAL", "'410': Patience.RETRY"),
    _status("patience: 422 is final soon", "RECEIVER_STATUSES", "'422': Patience.FINAL_SOON", "'422': Patience.RETRY"),
    Mutant(
        "status: it decides though the head cannot be read",
        "connectors.sinks.http:StatusResponse.start",
        "answer.status = protocol.final_status",
        "answer.status = None",
        f"{HTTP} whatever_is_wrong_behind",
    ),
    Mutant(
        "status: it decides though the hold ends",
        "connectors.sinks.http:exchange",
        "progress.answer.status is not None",
        "False",
        f"{HTTP} while_the_hold_ends",
    ),
    Mutant(
        "body: not waited for when nobody needs it",
        "connectors.sinks.http:read_answer",
        "None if wait_for_body else _DRAIN_S",
        "None",
        f"{HTTP} nobody_needs",
    ),
    Mutant(
        "lanes: suspects have a share",
        "connectors.sinks.http:Lanes.slot",
        "self._failures.get(conversation, 0)",
        "0",
        "test_lanes.py",
    ),
    Mutant(
        "lanes: whoever failed least is first",
        "connectors.sinks.http:Lanes.slot",
        "(failures, next(self._order), granted)",
        "(0, next(self._order), granted)",
        "test_lanes.py",
    ),
    Mutant(
        "lanes: an answer ends the suspicion",
        "connectors.sinks.http:Lanes.answered",
        "self._failures.pop(conversation, None)",
        "None",
        "test_lanes.py",
    ),
    Mutant(
        "certificate: refused at the start",
        "connectors.sinks.http:check_certificate",
        "why is not None and why != NO_SUCH_HOST",
        "False",
        f"{HTTP} certificate",
    ),
    Mutant(
        "certificate: no record is given up for it",
        "connectors.sinks.http:exchange",
        "progress.never is not None and not progress.final",
        "False",
        f"{HTTP} certificate",
    ),
    _answer("answer: a page is no acceptance", "meaning", "answer.page and 200 <= status < 300", "False"),
    _answer("answer: bytes that are no UTF-8", "parse", "body.decode('utf-8', 'replace')", "body.decode('utf-8')"),
    _answer("answer: no as text", "_flag", "isinstance(value, str)", "False"),
    _answer("answer: codes that fit the result", "_code", "0 < code <= _MOST_CODE", "code"),
    _answer(
        "answer: an unknown code is an error",
        "parse",
        "code is None and success is None and _is_unknown_code(detail.code)",
        "False",
    ),
    _answer("answer: half a character", "_fields", "_SURROGATE.sub('\\\\\\\\ufffd', text)", "text"),
    _login(
        "login: errors that pass are asked again",
        "_refusal",
        "row.retried or any((words in reason.lower().replace('_', ' ') for words in _PASSING_WORDS))",
        "row.retried",
    ),
    _login(
        "login: statuses that pass are asked again",
        "token_of",
        "status in _TEMPORARY_STATUSES or status >= 500",
        "status >= 500",
    ),
    _login("login: a reply may be no UTF-8", "_object", "body.decode('utf-8', 'replace')", "body.decode('utf-8')"),
    _login("login: a reply may be deep", "_object", "(ValueError, RecursionError)", "ValueError"),
    _login("login: numbers of any length", "_object", "parse_int=float", "parse_int=int"),
    _login("login: an identity that is no address", "org_id_of", "ValueError", "TypeError"),
    _login(
        "login: a redirect is not followed",
        "TokenSource._fetch",
        "allow_redirects=False",
        "allow_redirects=True",
        TOKENS,
    ),
    _login(
        "login: what is no private key is named",
        "JwtBearer.request_body",
        "(OSError, ValueError, TypeError, AttributeError, jwt.PyJWTError)",
        "(OSError, ValueError, TypeError, jwt.PyJWTError)",
        TOKENS,
    ),
    Mutant(
        "addresses: a port that there is",
        "connectors.config:http_url",
        "_host_problem(host) or _port_problem(parts)",
        "_host_problem(host)",
        ADDRESSES,
    ),
    Mutant(
        "addresses: a host",
        "connectors.config:http_url",
        "_host_problem(host) or _port_problem(parts)",
        "_port_problem(parts)",
        ADDRESSES,
    ),
    Mutant("addresses: no password is shown", "connectors.config:_shown", "without_userinfo(text)", "text", ADDRESSES),
    Mutant(
        "producer: a fatal error is told to all who wait",
        "connectors.kafka:IdempotentProducer._serve",
        "self._lose(error)",
        "pass",
        "test_sink_producer.py",
    ),
    Mutant(
        "producer: after a fatal error nothing is taken",
        "connectors.kafka:IdempotentProducer.send",
        "self._lost is not None",
        "False",
        "test_sink_producer.py",
    ),
]
