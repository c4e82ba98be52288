"""Writes the records of the conversations that a verdict names, to look for the cause."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from byoc.kafka.read import read_committed
from byoc.private_files import write_privately
from schemas.codec import decode
from schemas.topics import Topics

TRACE_FILE = "trace.jsonl"  # in the folder of a run


def write_trace(file: Path, findings: list[str], bootstrap_servers: str, topics: Topics) -> int:
    """Write one JSON line per record, by its time, of each conversation that a finding names; return their number.

    A finding names a conversation by its id or by the id of one of its events. Payloads are in it: it is for runs
    against the simulator.
    """
    named = {word.strip("(),") for finding in findings for word in finding.split()}
    lines = list(_records(bootstrap_servers, topics))
    wanted = {
        conversation_id for _, conversation_id, line in lines if named & {conversation_id, line.get("event_uuid")}
    }
    kept = sorted(((at_ms, line) for at_ms, found, line in lines if found in wanted), key=lambda each: each[0])
    write_privately(file, b"".join(msgspec.json.encode(line) + b"\n" for _, line in kept))
    return len(kept)


def _records(bootstrap_servers: str, topics: Topics) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(time, conversation, fields with topic and offset) of every record of the topics that have a record type."""
    for spec in topics.catalogue():
        if spec.record is None:
            continue
        for message in read_committed(bootstrap_servers, spec.name):
            fields = msgspec.structs.asdict(decode(spec.record, message.value or b""))
            place = {"topic": spec.name, "offset": message.offset, "written_ms": message.timestamp_ms}
            yield message.timestamp_ms, fields["conversation_id"], {**place, **fields}
