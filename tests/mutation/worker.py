"""The guards of the streams worker at its edges: delays, keys, paths, lists, the supervisor."""

from tests.mutation.mutant import Mutant

LISTING = "tests/unit/streams/web/test_listing.py"
PATHS = "tests/unit/streams/web/test_paths.py"
SUPERVISOR = "tests/unit/streams/test_supervisor.py"
KEYS = "tests/property/test_keys.py"
PARTITION = "--timeout 60 tests/unit/streams/runtime/test_partition.py -k"
PROCESS = "--timeout 30 test_supervised_process.py -k"
STANDSTILL = "tests/unit/streams/runtime/test_standstill.py"
SETTINGS = "tests/unit/streams/test_settings.py"


def _bound(name: str, setting: str, old: str, new: str) -> Mutant:
    return Mutant(f"settings: {name}", f"streams.settings:StreamsSettings.{setting}", old, new, SETTINGS)


def _process(name: str, function: str, old: str, new: str, selected: str) -> Mutant:
    return Mutant(f"supervisor: {name}", f"streams.supervisor:{function}", old, new, f"{PROCESS} {selected}")


WORKER = [
    Mutant(
        "delay: the due time is kept beside the handle",
        "streams.runtime:OwnedPartition.commit_soon",
        "self._commits_at <= commits_at",
        "self._commit_timer.when() <= commits_at",
        "test_commit_delays.py",
    ),
    Mutant("key: a request id with the separator", "streams.core:routing_key", "'|' in request_id", "False", KEYS),
    Mutant(
        "key: an entry id with the separator",
        "streams.core:seen_key",
        "'|' in entry_id or '|' in entry_type",
        "False",
        KEYS,
    ),
    Mutant(
        "key: ids of a conversation with the separator", "streams.core:digest", "'|' in conversation_id", "False", KEYS
    ),
    Mutant("path: half escaped", "streams.web:_decoded", "_HALF_ESCAPED.search(part)", "False", PATHS),
    Mutant("path: too long to be passed on", "streams.web:ids_in", "len(raw_path) > LONGEST_PATH", "False", PATHS),
    Mutant(
        "path: a worker that lost it does not know",
        "streams.web:Ownership.answer_of_owner",
        "self._app.partitions.get(partition) is not None",
        "'local' in request.query or self._app.partitions.get(partition) is not None",
        PATHS,
    ),
    Mutant(
        "list: only one page is held",
        "streams.web:_First.offer",
        "len(self._kept) > self._limit",
        "False",
        LISTING,
    ),
    Mutant(
        "list: a page is bounded in bytes",
        "streams.web:_First.offer",
        "self._bytes > MOST_BYTES",
        "False",
        f"{LISTING} -k bytes",
    ),
    Mutant(
        "list: nothing behind what gave way",
        "streams.web:_First.offer",
        "self._behind is not None and position > self._behind",
        "False",
        f"{LISTING} -k walk",
    ),
    Mutant(
        "list: a page ends with the first that has more",
        "streams.web:merged",
        "end is None or _shown_position(each) <= end",
        "True",
        f"{LISTING} -k walk",
    ),
    Mutant(
        "list: the waiting room", "streams.web:RequestLists._slot", "self._waiting >= MAX_WAITING", "False", LISTING
    ),
    Mutant("list: more at a peer", "streams.web:merged", "'next' in peer", "False", f"{LISTING} -k walk"),
    Mutant(
        "standstill: the same step again", "streams.runtime:Standstill.look", "step == work.step", "False", STANDSTILL
    ),
    Mutant(
        "standstill: a step is progress", "streams.runtime:Standstill.look", "step == work.step", "True", STANDSTILL
    ),
    Mutant(
        "standstill: what is taken must be committed",
        "streams.runtime:OwnedPartition.has_uncommitted_input",
        "bool(self._next_offsets) or not self._is_whole",
        "not self._is_whole",
        STANDSTILL,
    ),
    Mutant(
        "standstill: a batch must be finished",
        "streams.runtime:OwnedPartition.has_uncommitted_input",
        "bool(self._next_offsets) or not self._is_whole",
        "bool(self._next_offsets)",
        STANDSTILL,
    ),
    Mutant(
        "standstill: while partitions move",
        "streams.runtime:Watch.look",
        "self._app.rebalancing or self._app.in_recovery or self._app.should_stop",
        "False",
        STANDSTILL,
    ),
    Mutant(
        "supervisor: a healthy minute",
        "streams.supervisor:delay_after",
        "previous_s == 0 or ran_s >= HEALTHY_AFTER_S",
        "previous_s == 0",
        SUPERVISOR,
    ),
    Mutant(
        "supervisor: refused settings", "streams.supervisor:ended_for_good", "code in _LASTING", "code == 0", SUPERVISOR
    ),
    Mutant(
        "supervisor: delays have a bound",
        "streams.supervisor:delay_after",
        "min(previous_s * 2, LONGEST_DELAY_S)",
        "previous_s * 2",
        SUPERVISOR,
    ),
    Mutant(
        "supervisor: a Kafka that never answered",
        "streams.supervisor:ended_for_good",
        "code == EXIT_NO_KAFKA and not had_started",
        "False",
        SUPERVISOR,
    ),
    Mutant(
        "supervisor: a Kafka that went away",
        "streams.supervisor:ended_for_good",
        "code == EXIT_NO_KAFKA and not had_started",
        "code == EXIT_NO_KAFKA",
        SUPERVISOR,
    ),
    Mutant(
        "commit: it goes on when its caller is cancelled",
        "streams.runtime:OwnedPartition.commit",
        "await asyncio.shield(self._begin_commit())",
        "await self._begin_commit()",
        f"{PARTITION} caller_is_cancelled",
    ),
    Mutant(
        "commit: half a batch is aborted",
        "streams.runtime:OwnedPartition._settle",
        "not self._is_whole",
        "False",
        f"{PARTITION} half_applied",
    ),
    Mutant(
        "commit: nothing is added to half a batch",
        "streams.runtime:OwnedPartition.batch",
        "not self._is_whole",
        "False",
        f"{PARTITION} half_applied",
    ),
    Mutant(
        "commit: one that is never answered ends the worker",
        "streams.runtime:OwnedPartition._in_executor",
        "asyncio.timeout(self._times.settle_timeout_s)",
        "asyncio.timeout(None)",
        f"{PARTITION} never_answered",
    ),
    Mutant(
        "queue: waits for room have an end",
        "streams.runtime:OwnedPartition._wait_for_room",
        "self._waited_for_room_s >= self._times.settle_timeout_s",
        "False",
        f"{PARTITION} count_together",
    ),
    Mutant(
        "queue: one that is nearly full is committed first",
        "streams.runtime:OwnedPartition.must_commit_first",
        "self._is_open and self.producer.is_nearly_full()",
        "False",
        f"{PARTITION} most_of_the_queue",
    ),
    _bound("linger", "commit_linger_ms", "le=LONGEST_OPEN_MS", "le=1e9"),
    _bound("open time", "max_open_ms", "le=LONGEST_OPEN_MS", "le=1e9"),
    _bound("longest session", "session_timeout_s", "le=LONGEST_SESSION_S", "le=1e9"),
    _bound("shortest session", "session_timeout_s", "ge=SHORTEST_SESSION_S", "ge=0"),
    Mutant(
        "path: no text",
        "streams.web:_decoded",
        "unquote_to_bytes(part).decode()",
        "unquote_to_bytes(part).decode('utf-8', 'replace')",
        PATHS,
    ),
    Mutant(
        "path: the owner is asked by what was sent",
        "streams.web:Ownership._ask",
        "request.rel_url.raw_path",
        "request.rel_url.path",
        PATHS,
    ),
    Mutant("path: and nothing of it is resolved", "streams.web:Ownership._ask", "encoded=True", "encoded=False", PATHS),
    Mutant(
        "path: an owner does not send elsewhere",
        "streams.web:Ownership._ask",
        "allow_redirects=False",
        "allow_redirects=True",
        PATHS,
    ),
    Mutant("list: two at a time", "streams.web:AT_ONCE", "2", "1000", f"{LISTING} -k waiting_room"),
    Mutant("list: a page has an end", "streams.web:ListQuery.of", "not 1 <= int(limit) <= MAX_LIMIT", "False", LISTING),
    Mutant(
        "list: a limit is a number",
        "streams.web:ListQuery.of",
        "not (limit.isascii() and limit.isdigit() and len(limit) <= len(str(MAX_LIMIT)))",
        "False",
        LISTING,
    ),
    _process(
        "the thread ends with the worker", "_end_with_parent", "ended in readable", "False", "thread_that_watches"
    ),
    _process(
        "the caller's handlers come back",
        "_handle",
        "signal.SIG_DFL if previous is None else previous",
        "handler",
        "command_in_a_process",
    ),
    _process(
        "signals reach the worker",
        "Supervisor._pass_on",
        "self._worker.send_signal(number)",
        "pass",
        "reaches_the_worker",
    ),
    _process(
        "who is told to stop starts nothing again",
        "Supervisor._keep_running",
        "self._stop_signal is not None or ended_for_good(code, had_started=had_started)",
        "ended_for_good(code, had_started=had_started)",
        "reaches_the_worker",
    ),
    _process(
        "nor after a rest",
        "Supervisor._keep_running",
        "if self._stop_signal is not None:\n    return 0",
        "pass",
        "while_no_worker_runs",
    ),
    _process(
        "children that are ignored have a code",
        "Supervisor.run",
        "_handle(signal.SIGCHLD, signal.SIG_DFL, undone)",
        "pass",
        "children_are_ignored",
    ),
    _process(
        "a start that fails is tried again",
        "Supervisor._run_worker",
        "OSError",
        "ZeroDivisionError",
        "cannot_be_started",
    ),
    _process(
        "a worker stops with its parent",
        "_end_with_parent",
        "os.kill(os.getpid(), signal.SIGTERM)",
        "pass",
        "parent_is_killed",
    ),
    _process("and in any way in the end", "_end_with_parent", "os._exit(EXIT_CRASHED)", "pass", "parent_is_killed"),
    _process(
        "a Kafka that was never there is a refusal",
        "_exit_code",
        "code == EXIT_NO_KAFKA",
        "False",
        "exit_codes_of_real",
    ),
    _process(
        "a signal is told as shells tell it",
        "_exit_code",
        "128 - code if code < 0 else code",
        "code",
        "ended_by_the_signal",
    ),
    Mutant(
        "hanging: what a predecessor left open is aborted by the worker, too",
        "streams.runtime:KafkaTransactions.initialise",
        "self._written",
        "False",
        "--timeout 60 test_hanging_transactions.py",
    ),
    Mutant(
        "clock: one that is ahead is named",
        "streams.runtime.kafka_client:_reason",
        "error.code() == KafkaError.INVALID_TIMESTAMP",
        "False",
        "--timeout 60 test_clock_ahead.py",
    ),
    Mutant(
        "sizes: a worker does not start with topics that take too little",
        "streams.runtime.kafka_client:check_topics",
        "size < TOPIC_MAX_MESSAGE_BYTES",
        "False",
        "--timeout 60 test_processor_limits.py -k older_version",
    ),
    Mutant(
        "deadlines: what was written by then is looked for",
        "streams.runtime:Timers.look",
        "await self._app.consumer.look_again()",
        "pass",
        "tests/unit/streams/runtime/test_timers.py",
    ),
    Mutant(
        "deadlines: nothing is asked while none is due",
        "streams.runtime:Timers.look",
        "not self._is_any_due()",
        "False",
        "tests/unit/streams/runtime/test_timers.py",
    ),
    Mutant(
        "deadlines: an input is drained up to what is known",
        "streams.runtime:Consumer.watermark_ms",
        "min(mark, now_ms - int(unknown_s * 1000))",
        "mark",
        "tests/integration/test_exactly_once_app.py -k drained_up_to",
    ),
]
