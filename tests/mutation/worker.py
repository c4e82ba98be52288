"""The guards of the streams worker at its edges: delays, keys, paths, lists, the supervisor."""

from tests.mutation.mutant import Mutant

LISTING = "tests/unit/streams/web/test_listing.py"
PATHS = "tests/unit/streams/web/test_paths.py"
SUPERVISOR = "tests/unit/streams/test_supervisor.py"
KEYS = "tests/property/test_keys.py"

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
