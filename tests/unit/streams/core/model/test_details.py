"""What a conversation remembers beside its routing: reasons, queue, acknowledgements, uploads."""

from typing import Any

import msgspec
import pytest

from schemas.records import OutboundEvent
from streams.core.model.details import Details, Mark, Queue, Upload
from streams.core.model.state import Conversation
from tests.support.domain import SECOND, T0, WORK_ITEM, Partition, entry, envelope, event, message, text_body, typing


def details(*read: OutboundEvent) -> Details:
    partition = Partition()
    for each in read:
        partition.read(each)
    found = partition.conversation.details
    assert found is not None
    return found


def test_a_plain_text_leaves_the_details_absent() -> None:
    partition = Partition()
    partition.read(message())
    partition.read(typing())
    assert partition.conversation.details is None


def test_entries_withheld_are_counted_by_reason() -> None:
    notes = [event(envelope(text_body(entry_id=each, entry_type="Note"), entry_id=each)) for each in ("n1", "n2")]
    internal = event(envelope(text_body(entry_id="e3"), entry_id="e3", visibilityStrategy="Internal"))
    assert details(*notes, internal).withheld == (("note", 2), ("internal_visibility", 1))


def queue(position: object, at: int) -> OutboundEvent:
    fields = {"workItemId": WORK_ITEM, "pendingServiceRoutingId": "0JR", "position": position}
    return entry("QueuePosition", fields, at=at)


def test_the_queue_position_is_the_one_told_last() -> None:
    assert details(queue(4, at=5), queue(2, at=9), queue(3, at=7)).queue == Queue(T0 + 9, 2, "0JR")


@pytest.mark.parametrize("position", [None, "3", True, 1.5])
def test_a_position_that_is_no_number_is_not_one(position: object) -> None:
    assert details(queue(4, at=5), queue(position, at=9)).queue == Queue(T0 + 5, 4, "0JR")


def test_progress_is_remembered_by_its_time_alone() -> None:
    fields = {"progressIndicator": {"progressMessage": {"formatType": "Text", "text": "Checking"}}}
    found = details(message(), entry("ProgressIndicator", fields, at=9))
    assert found == Details(progress_ms=T0 + 9)


def test_progress_that_is_read_too_late_to_be_sent_leaves_the_same_state() -> None:
    in_time, late = Partition(), Partition()
    told = entry("ProgressIndicator", {}, at=9, uuid="u")
    for partition, at in ((in_time, 20), (late, 600 * SECOND)):
        partition.read(message(uuid="m"))
        partition.read(told, at=at)
    assert in_time.state.facts() == late.state.facts()
    assert (len(in_time.deliveries), len(late.deliveries)) == (2, 1)


def acknowledged(kind: str, entry_id: str, acknowledged_at: object, at: int = 0) -> OutboundEvent:
    fields = {"acknowledgedConversationEntryIdentifier": entry_id, "acknowledgementTimestamp": acknowledged_at}
    return entry(f"{kind}Acknowledgement", fields, at=at)


def test_read_is_a_high_water_mark_that_an_older_delivered_does_not_lower() -> None:
    read, late = acknowledged("Read", "in-2", T0 + 50), acknowledged("Delivery", "in-1", T0 + 40, at=60)
    found = details(read, late)
    assert (found.reps_read, found.reps_received) == (Mark(T0 + 50, "in-2"), None)
    newer = details(read, late, acknowledged("Delivery", "in-3", T0 + 70, at=80))
    assert (newer.reps_read, newer.reps_received) == (Mark(T0 + 50, "in-2"), Mark(T0 + 70, "in-3"))


def test_an_older_read_does_not_lower_the_mark() -> None:
    found = details(acknowledged("Read", "in-2", T0 + 50), acknowledged("Read", "in-1", T0 + 40))
    assert found.reps_read == Mark(T0 + 50, "in-2")


@pytest.mark.parametrize(
    ("told", "at_ms"),
    [
        pytest.param(T0 + 5, T0 + 5, id="a number"),
        pytest.param(str(T0 + 5), T0 + 5, id="its digits"),
        pytest.param(T0 // 1000, T0, id="seconds"),
        pytest.param(None, T0 + 9, id="null: the event's own time"),
        pytest.param("soon", T0 + 9, id="no time"),
    ],
)
def test_the_time_of_an_acknowledgement_comes_in_many_forms(told: object, at_ms: int) -> None:
    assert details(acknowledged("Read", "in-1", told, at=9)).reps_read == Mark(at_ms, "in-1")


def uploaded(result: dict[str, Any] | None, at: int, *, entry_id: str = "in-88", **ids: str) -> OutboundEvent:
    attachment = {"name": "p.png", "url": "https://secret.example/x", "attachmentUploadResult": result, **ids}
    static = {"formatType": "Attachments", "attachments": [attachment]}
    updated = {"messageType": "StaticContentMessage", "id": entry_id, "staticContent": static}
    return entry("MessageUpdated", {"updatedMessage": updated}, at=at)


PENDING = {"resultType": "PendingAttachmentUploadResult", "referenceId": "r9"}
COMPLETED = {"resultType": "CompletedAttachmentUploadResult"}
TOO_LARGE = {"resultType": "ErrorAttachmentUploadResult", "errorType": "AttachmentTooLarge", "errorMessage": "25 MB"}


def test_upload_results_are_matched_to_their_entry() -> None:
    found = details(
        uploaded(PENDING, at=1),
        uploaded(TOO_LARGE, at=2, entry_id="in-89", id="a1"),
        uploaded(COMPLETED, at=3, id="a9", referenceId="r9"),
    )
    assert found.uploads == (
        Upload("in-89", T0 + 2, "failed", "a1", None, "AttachmentTooLarge"),
        Upload("in-88", T0 + 3, "completed", "a9", "r9"),
    )


def test_a_pending_result_does_not_undo_a_final_one() -> None:
    found = details(uploaded(COMPLETED, at=1, id="a9", referenceId="r9"), uploaded(PENDING, at=3))
    assert [each.status for each in found.uploads] == ["completed"]


def test_an_older_result_does_not_replace_a_newer_one() -> None:
    found = details(uploaded(COMPLETED, at=5, referenceId="r9"), uploaded(TOO_LARGE, at=3, referenceId="r9"))
    assert [each.status for each in found.uploads] == ["completed"]


def test_an_attachment_without_a_result_is_no_upload() -> None:
    partition = Partition()
    partition.read(uploaded(None, at=1))
    assert partition.conversation.details is None


def test_uploads_and_consultations_are_bounded() -> None:
    entries = [uploaded(COMPLETED, at=each, entry_id=f"in-{each}") for each in range(20)]
    consults = [entry("ConsultConversationInfo", {"conversationIdentifier": f"cv-{each}"}) for each in range(20)]
    found = details(*entries, *consults)
    assert [each.entry_id for each in found.uploads] == [f"in-{each}" for each in range(12, 20)]
    assert found.consults == tuple(f"cv-{each}" for each in range(12, 20))


def test_a_failed_delivery_that_salesforce_tells_is_kept_and_counted() -> None:
    partition = Partition()
    partition.read(
        entry("MessageDeliveryFailed", {"failedConversationEntryIdentifier": "e5", "errorCode": "10055"}, at=3)
    )
    found = partition.conversation.details
    assert found is not None
    assert found.not_delivered == Mark(T0 + 3, "e5")
    assert ("not_delivered", "told_by_salesforce") in partition.counts


def test_the_session_keeps_when_it_started_and_who_ended_it() -> None:
    partition = Partition()
    fields = {"sessionId": WORK_ITEM, "sessionStatus": "Ended", "sessionEndedByRole": "Agent"}
    partition.read(entry("SessionStatusChanged", {**fields, "sessionStartTime": "1767225000"}, at=SECOND))
    session = partition.conversation.session
    assert (session.started_at_ms, session.ended_by) == (1_767_225_000_000, "Agent")


def test_details_survive_the_way_through_msgpack_and_older_values_have_none() -> None:
    partition = Partition()
    for each in (queue(4, at=5), acknowledged("Read", "in-2", T0), uploaded(PENDING, at=1)):
        partition.read(each)
    encoded = msgspec.msgpack.encode(partition.conversation)
    assert msgspec.msgpack.decode(encoded, type=Conversation) == partition.conversation
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(encoded)[:-1])
    assert msgspec.msgpack.decode(older, type=Conversation).details is None
