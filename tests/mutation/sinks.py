"""The guards of the sinks' transport and of logins: what other peers send, and how long they are waited for."""

from tests.mutation.mutant import Mutant

STATUS = "test_status.py"
ANSWERS = "test_answers.py"
REPLIES = "test_token_replies.py"
TOKENS = "test_tokens.py"
ADDRESSES = "test_addresses.py"
CONFIGURATION = "test_connector_configuration.py"
HTTP = "tests/integration/test_sink_http.py -k"


def _status(name: str, function: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"connectors.sinks.http.status:{function}", old, new, STATUS)


def _answer(name: str, function: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"connectors.sinks.interaction.answers:{function}", old, new, ANSWERS)


def _login(name: str, function: str, old: str, new: str, tests: str = REPLIES) -> Mutant:
    return Mutant(name, f"connectors.salesforce:{function}", old, new, tests)


def _lanes(name: str, function: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"connectors.sinks.http:Lanes.{function}", old, new, "test_lanes.py")


def _config(name: str, function: str, old: str, new: str, tests: str = ADDRESSES) -> Mutant:
    return Mutant(name, f"connectors.config:{function}", old, new, tests)


def _http(name: str, function: str, old: str, new: str, selected: str) -> Mutant:
    return Mutant(name, f"connectors.sinks.http:HttpClient.{function}", old, new, f"{HTTP} {selected}")


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
    _lanes("lanes: suspects have a share", "slot", "self._failures.get(conversation, 0)", "0"),
    _lanes(
        "lanes: whoever failed least is first",
        "slot",
        "(failures, next(self._order), granted)",
        "(0, next(self._order), granted)",
    ),
    _lanes("lanes: an answer ends the suspicion", "answered", "self._failures.pop(conversation, None)", "None"),
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
    _config(
        "addresses: a port that there is",
        "http_url",
        "_host_problem(host) or _port_problem(parts)",
        "_host_problem(host)",
    ),
    _config("addresses: a host", "http_url", "_host_problem(host) or _port_problem(parts)", "_port_problem(parts)"),
    _config("addresses: no password is shown", "_shown", "without_userinfo(text)", "text"),
    _config("addresses: nothing that is no part of one", "http_url", "_UNFIT_IN_URL.search(text)", "False"),
    _config(
        "addresses: Salesforce's without user and password",
        "http_url_without_credentials",
        "'@' in str(value)",
        "False",
    ),
    _config(
        "addresses: an endpoint is nothing else",
        "host_and_port",
        "'@' in text or parts.netloc != text or _UNFIT_IN_URL.search(text)",
        "False",
    ),
    _config(
        "addresses: an endpoint has a port",
        "host_and_port",
        "_host_problem(host) or _port_problem(parts) or (None if parts.port else 'must be host:port')",
        "_host_problem(host) or _port_problem(parts)",
    ),
    _config("settings: no number is endless", "_number", "not math.isfinite(found)", "False", CONFIGURATION),
    _config(
        "settings: an item of a reference is not quoted",
        "_value_of",
        "problem and isinstance(text, Referenced) and (key.type is Type.LIST)",
        "False",
        "test_references.py",
    ),
    _status("patience: 400 is final soon", "RECEIVER_STATUSES", "'400': Patience.FINAL_SOON", "'400': Patience.RETRY"),
    _status("patience: 413 is final soon", "RECEIVER_STATUSES", "'413': Patience.FINAL_SOON", "'413': Patience.RETRY"),
    _status("patience: success is not configured", "status_list_problem", "item.startswith('2')", "False"),
    _status(
        "patience: only statuses and classes",
        "status_list_problem",
        "not (_STATUS.fullmatch(item) or _CLASS.fullmatch(item))",
        "False",
    ),
    _status("body: an encoding that does not fit", "decoded", "zlib.error", "ZeroDivisionError"),
    _status("retry after: the past is now", "retry_after_s", "max(0.0, at_s - now_ms / 1000)", "at_s - now_ms / 1000"),
    _status(
        "retry after: a date a day ahead at most",
        "retry_after_s",
        "min(max(0.0, at_s - now_ms / 1000), LONGEST_RETRY_AFTER_S)",
        "max(0.0, at_s - now_ms / 1000)",
    ),
    _status("retry after: a date has an end", "retry_after_s", "len(text) > _LONGEST_RETRY_AFTER", "False"),
    _lanes("lanes: suspects have half", "_grant", "self._suspects_running < allowed", "True"),
    _lanes(
        "lanes: an eighth while others wait",
        "_grant",
        "self._suspects_most if not self._waiting else self._suspects_own",
        "self._suspects_most",
    ),
    _lanes(
        "lanes: and that eighth always",
        "_grant",
        "self._suspects_most if not self._waiting else self._suspects_own",
        "self._suspects_most if not self._waiting else 0",
    ),
    _lanes("lanes: only so many are remembered", "failed", "len(self._failures) > _REMEMBERED", "False"),
    _lanes("lanes: who gave up waiting had no slot", "slot", "granted.done() and (not granted.cancelled())", "True"),
    _answer(
        "answer: a body may be deep",
        "_UNREADABLE",
        "(msgspec.MsgspecError, RecursionError, ValueError)",
        "(msgspec.MsgspecError, ValueError)",
    ),
    _answer("answer: words are cut", "_message", "text[:_MESSAGE_CHARACTERS]", "text"),
    _answer("answer: an id is whole", "parse", "len(value) <= _ID_CHARACTERS", "True"),
    _login(
        "login: what Salesforce does not know passes",
        "LOGIN_ERRORS",
        "'unknown_error': LoginError(retried=True)",
        "'unknown_error': LoginError(retried=False)",
    ),
    _login(
        "login: an error of the server passes",
        "LOGIN_ERRORS",
        "'server_error': LoginError(retried=True)",
        "'server_error': LoginError(retried=False)",
    ),
    _login("login: a redirect says what to set", "token_of", "300 <= status < 400", "False"),
    _login("login: a token fits a header", "token_of", "not _HEADER_WORD.fullmatch(access_token)", "False"),
    _login("login: an instance is an address", "token_of", "_INSTANCE.fullmatch(instance_url)", "instance_url"),
    _login("login: the words of an error are cut", "_words", "text[:_REASON_CHARACTERS]", "text"),
    _login(
        "login: a reply has an end",
        "TokenSource._fetch",
        "len(reply) == _REPLY_BYTES",
        "False",
        f"{TOKENS} -k without_end",
    ),
    _login(
        "login: a refused certificate is named",
        "TokenSource._fetch",
        "aiohttp.ClientConnectorCertificateError",
        "ZeroDivisionError",
        f"{TOKENS} -k certificate",
    ),
    _login(
        "login: no user out of a .netrc file",
        "TokenSource._fetch",
        "cookie_jar=aiohttp.DummyCookieJar()",
        "trust_env=True",
        f"{TOKENS} -k netrc",
    ),
    _login(
        "login: what is no private key says what it is",
        "_said_of_key",
        "pattern.search(key)",
        "False",
        f"{TOKENS} -k private_key",
    ),
    _login(
        "login: no password in an error",
        "_asking",
        "without_userinfo(login.login_url)",
        "login.login_url",
        f"{TOKENS} -k password_in",
    ),
    Mutant(
        "held: bytes count, too",
        "connectors.sinks.engine:Dispatcher.full",
        "self._buffered_bytes >= self._limits.max_buffered_bytes",
        "False",
        "test_dispatcher.py -k large_records",
    ),
    _status(
        "patience: what a proxy says is repeated",
        "StatusRules.final",
        "frozenset(statuses_with(Patience.FINAL))",
        "frozenset({'410', '4xx'})",
    ),
    _status(
        "patience: a status counts before its class",
        "StatusRules.patience",
        "(str(status), f'{status // 100}xx')",
        "(f'{status // 100}xx', str(status))",
    ),
    _status("patience: success is success", "StatusRules.patience", "is_success(status)", "False"),
    Mutant(
        "patience: few attempts have an end",
        "connectors.sinks.webhook:_DeliveryRequest.judge",
        "self._final_soon >= FEW_ATTEMPTS",
        "False",
        "tests/integration/test_webhook_statuses.py",
    ),
    _http(
        "attempts: the last that is allowed",
        "_attempts",
        "self._policy.retry_max + 1",
        "self._policy.retry_max",
        "last_attempt",
    ),
    _http(
        "attempts: one without an answer is waited for",
        "_unanswered",
        "Verdict.RETRY",
        "Verdict.RETRY_AT_ONCE",
        "right_after",
    ),
    _http(
        "attempts: redirects are not followed", "_send", "allow_redirects=False", "allow_redirects=True", "redirects"
    ),
    _http(
        "attempts: none outlives what it is for",
        "_send",
        "min(self._policy.timeout_s, left_s)",
        "self._policy.timeout_s",
        "cut_off",
    ),
    _http(
        "lanes: no answer makes a suspect",
        "_unanswered",
        "self._lanes.failed(request.conversation)",
        "pass",
        "leave_a_slot",
    ),
    Mutant(
        "body: one without end is not read to its end",
        "connectors.sinks.http:read_answer",
        "len(answer.body) == BODY_BYTES",
        "False",
        f"{HTTP} without_end",
    ),
    Mutant(
        "certificate: a host that does not exist is as final",
        "connectors.sinks.http:never_reachable",
        "isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME",
        "False",
        f"{HTTP} permanent",
    ),
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
