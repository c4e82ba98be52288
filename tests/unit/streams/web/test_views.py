"""What a query answers, and what it never does."""

import json

from streams.web import views
from tests.support.domain import (
    CONVERSATION,
    END_USER,
    RULES,
    SECOND,
    T0,
    Partition,
    decision,
    entry,
    envelope,
    event,
    participant,
    requested,
    result,
    static_body,
    text_body,
)

URL = "https://org.file.example/sfc/dist/version/download/?d=SECRET"
FILE = {"id": "a1", "name": "q.pdf", "mimeType": "application/pdf", "url": URL}


def played() -> Partition:
    """A conversation with everything that must not show: texts, names, subjects, attachment URLs."""
    partition = Partition()
    static = {"formatType": "Attachments", "text": "PRIVATE", "attachments": [FILE]}
    partition.read(event(envelope(static_body(static))))
    failure = {"resultType": "ErrorAttachmentUploadResult", "errorType": "AttachmentTooLarge", "errorMessage": URL}
    updated = {"id": "in-1", "staticContent": {"attachments": [{**FILE, "attachmentUploadResult": failure}]}}
    partition.read(entry("MessageUpdated", {"updatedMessage": updated}))
    partition.read(event(envelope(text_body("PRIVATE", "n1", "Note"), entry_id="n1")))
    partition.read(participant("add", "005PRIVATE", name="PRIVATE"))
    partition.read(requested("r1"))
    partition.read(decision("accept", decision_id="d1"))
    partition.read(result(at=3 * SECOND))
    partition.read(entry("RoutingWorkResult", {"workType": "Declined"}, at=4 * SECOND))
    partition.read(participant("add", "005PRIVATE", name="PRIVATE", at=5 * SECOND))
    return partition


def test_attachment_urls_texts_and_subjects_are_in_no_answer_and_in_no_count() -> None:
    partition = played()
    shown = json.dumps(views.conversation(partition.conversation))
    shown += json.dumps(views.routing_request(partition.request("r1"), RULES)) + repr(partition.counts)
    for secret in ("SECRET", "PRIVATE", "https:", END_USER):
        assert secret not in shown
    assert "SECRET" in repr(partition.deliveries)  # the delivery itself must have it


def test_a_conversation_shows_its_reasons_uploads_and_queue() -> None:
    answer = views.conversation(played().conversation)
    assert answer["withheld"] == {"note": 1}
    assert [each["status"] for each in answer["uploads"]] == ["failed"]
    assert (answer["queue"], answer["receipts"]) == (None, None)


def test_a_conversation_without_details_shows_them_empty() -> None:
    partition = Partition()
    partition.read(event(envelope(text_body())))
    answer = views.conversation(partition.conversation)
    assert (answer["withheld"], answer["uploads"], answer["reps_read"]) == ({}, [], None)


def test_a_request_shows_how_often_its_router_was_asked_and_what_counts_for_each() -> None:
    answer = views.routing_request(played().request("r1"), RULES)
    assert answer["attempts"] == [
        {"attempt": 1, "asked_at_ms": T0, "decision_id": "d1"},
        {"attempt": 2, "asked_at_ms": T0 + 4 * SECOND, "decision_id": None},
    ]
    assert [(each["event"], each["subject"]) for each in answer["moments"]] == [
        ("work_declined", None),
        ("seated", "redacted"),
    ]


def test_a_consultation_shows_that_nothing_of_it_is_delivered() -> None:
    partition = Partition()
    partition.read(entry("ConsultConversationInfo", {"conversationIdentifier": CONVERSATION}))
    partition.read(event(envelope(text_body())))
    answer = views.conversation(partition.conversation)
    assert (answer["no_delivery"], answer["withheld"]) == (True, {"consultation": 1})
