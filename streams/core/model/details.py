"""What is known of a conversation and rarely happens. It is one value, which most conversations do without.

Every value is bounded, and each change takes the later of two facts, so that the order in which records of different
topics are read does not matter.
"""

from typing import TypeVar

import msgspec
from msgspec.structs import replace

from streams.core.model.lenient import Object, as_id, as_number, as_object, as_objects, as_text, as_time_ms, as_word

MAX_UPLOADS = 8  # files of the customer whose upload is followed; one file per inbound entry
MAX_CONSULTS = 8  # rep-to-rep consultations named by this conversation


class Mark(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An entry, and when it was delivered, was read or failed. Read means that all entries before it are read too."""

    at_ms: int
    entry_id: str


class Queue(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The end user's place in a queue, as Salesforce told it last."""

    at_ms: int
    position: int
    pending_service_routing_id: str | None = None


class Upload(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The upload of one file of the customer. `status` is completed, pending or failed; its URL is not kept."""

    entry_id: str
    at_ms: int
    status: str
    attachment_id: str | None = None
    reference_id: str | None = None
    error_type: str | None = None


class Receipts(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Receipts of our deliveries: how many of each status there were, and the last of each."""

    delivered: int = 0
    read: int = 0
    failed: int = 0
    last_delivered: Mark | None = None
    last_read: Mark | None = None
    last_failed: Mark | None = None


class Details(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The rare things that are known of a conversation.

    `withheld` counts by reason. `reps_received` and `reps_read` are Salesforce's acknowledgements of the end user's own
    entries. `not_delivered` is the last entry of which Salesforce said that its delivery failed. `closed_ms` is when
    Salesforce answered a call with "no such session or conversation".
    """

    withheld: tuple[tuple[str, int], ...] = ()
    queue: Queue | None = None
    progress_ms: int | None = None
    reps_received: Mark | None = None
    reps_read: Mark | None = None
    uploads: tuple[Upload, ...] = ()
    not_delivered: Mark | None = None
    consults: tuple[str, ...] = ()
    receipts: Receipts | None = None
    closed_ms: int | None = None


NOTHING = Details()
_M = TypeVar("_M", Mark, Queue)


def _id(part: Object, name: str) -> str | None:
    return as_id(part.get(name), name)


def later(known: _M | None, found: _M) -> _M:
    """The later of two; of two at the same moment, the one that was known before."""
    return found if known is None or found.at_ms > known.at_ms else known


def with_withheld(details: Details | None, reason: str) -> Details:
    """The details with one more entry withheld for this reason. There are as many reasons as `Withheld` has members."""
    was = details or NOTHING
    counts = dict(was.withheld)
    counts[reason] = counts.get(reason, 0) + 1
    return replace(was, withheld=tuple(counts.items()))


def with_queue(details: Details | None, body: Object, at_ms: int) -> Details | None:
    """The details with the place that a `QueuePosition` tells; the same object when it tells none."""
    position = as_number(body.get("position"))
    if position is None:
        return details
    was = details or NOTHING
    told = Queue(at_ms, position, _id(body, "pendingServiceRoutingId"))
    return replace(was, queue=later(was.queue, told))


def with_progress(details: Details | None, at_ms: int) -> Details:
    """The details with the time of the last progress indicator; its text is for the customer and is not kept."""
    was = details or NOTHING
    return replace(was, progress_ms=max(was.progress_ms or 0, at_ms))


def with_acknowledgement(details: Details | None, body: Object, at_ms: int, *, read: bool) -> Details | None:
    """The details with an acknowledgement of the end user's entry. Once one is read, older ones add nothing."""
    entry_id = _id(body, "acknowledgedConversationEntryIdentifier")
    if entry_id is None:
        return details
    was = details or NOTHING
    mark = Mark(as_time_ms(body.get("acknowledgementTimestamp")) or at_ms, entry_id)
    if read:
        return replace(was, reps_read=later(was.reps_read, mark))
    if was.reps_read is not None and mark.at_ms <= was.reps_read.at_ms:
        return details
    return replace(was, reps_received=later(was.reps_received, mark))


def with_failure(details: Details | None, body: Object, at_ms: int) -> Details | None:
    """The details with the entry of which Salesforce says that it was not delivered."""
    entry_id = _id(body, "failedConversationEntryIdentifier")
    if entry_id is None:
        return details
    was = details or NOTHING
    return replace(was, not_delivered=later(was.not_delivered, Mark(at_ms, entry_id)))


def with_consult(details: Details | None, conversation_identifier: str) -> Details:
    """The details with a rep-to-rep consultation that belongs to this conversation."""
    was = details or NOTHING
    if conversation_identifier in was.consults:
        return was
    return replace(was, consults=(*was.consults, conversation_identifier)[-MAX_CONSULTS:])


_RESULTS = {
    "CompletedAttachmentUploadResult": "completed",
    "PendingAttachmentUploadResult": "pending",
    "ErrorAttachmentUploadResult": "failed",
}


def uploads_of(body: Object, at_ms: int) -> list[Upload]:
    """The upload results of a `MessageUpdated`, with the entry they belong to; none when it names no entry."""
    message = as_object(body.get("updatedMessage")) or {}
    entry_id = _id(message, "id")
    if entry_id is None:
        return []
    static = as_object(message.get("staticContent")) or {}
    found = (_upload(entry_id, item, at_ms) for item in as_objects(static.get("attachments")))
    return [each for each in found if each is not None]


def _upload(entry_id: str, attachment: Object, at_ms: int) -> Upload | None:
    result = as_object(attachment.get("attachmentUploadResult"))
    if result is None:
        return None
    return Upload(
        entry_id=entry_id,
        at_ms=at_ms,
        status=_RESULTS.get(as_text(result.get("resultType")) or "", "unknown"),
        attachment_id=_id(attachment, "id"),
        reference_id=_id(attachment, "referenceId") or _id(result, "referenceId"),
        error_type=as_word(result.get("errorType")),
    )


def with_uploads(details: Details | None, told: list[Upload]) -> Details | None:
    """The details with these uploads. An older one, or a pending one after a final one, is dropped."""
    for upload in told:
        was = details or NOTHING
        known = next((each for each in was.uploads if _same_file(each, upload)), None)
        if known is not None and (known.at_ms > upload.at_ms or (known.status != "pending" == upload.status)):
            continue
        others = tuple(each for each in was.uploads if each is not known)
        details = replace(was, uploads=(*others, upload)[-MAX_UPLOADS:])
    return details


def _same_file(known: Upload, told: Upload) -> bool:
    """True when both name the same entry and one of the two ids agrees. Without ids, it is the entry's only upload."""
    if known.entry_id != told.entry_id:
        return False
    if known.reference_id is not None and known.reference_id == told.reference_id:
        return True
    return known.attachment_id == told.attachment_id
