"""The guards of the streams worker at its edges: delays, keys, paths, lists, the supervisor."""

from tests.mutation.mutant import Mutant

LISTING = "tests/unit/streams/web/test_listing.py"
PATHS = "tests/unit/streams/web/test_paths.py"
SUPERVISOR = "tests/unit/streams/test_supervisor.py"
KEYS = "tests/property/test_keys.py"
STANDSTILL = "tests/unit/streams/runtime/test_standstill.py"

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
        "streams.web:RequestLists.page",
        "len(first) <= query.limit",
        "True",
        LISTING,
    ),
    Mutant(
        "list: the waiting room", "streams.web:RequestLists._slot", "self._waiting >= MAX_WAITING", "False", LISTING
    ),
    Mutant("list: more at a peer", "streams.web:merged", "has_more or 'next' in peer", "has_more", LISTING),
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
]
