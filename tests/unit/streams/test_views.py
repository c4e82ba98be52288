"""What a query answers, and what it never does."""

import json

from streams.web import views
from tests.support.domain import (
    END_USER,
    Partition,
    entry,
    envelope,
    event,
    participant,
    requested,
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
    result = {"resultType": "ErrorAttachmentUploadResult", "errorType": "AttachmentTooLarge", "errorMessage": URL}
    updated = {"id": "in-1", "staticContent": {"attachments": [{**FILE, "attachmentUploadResult": result}]}}
    partition.read(entry("MessageUpdated", {"updatedMessage": updated}))
    partition.read(event(envelope(text_body("PRIVATE", "n1", "Note"), entry_id="n1")))
    partition.read(participant("add", "005PRIVATE", name="PRIVATE"))
    partition.read(requested("r1"))
    return partition


def test_attachment_urls_texts_and_subjects_are_in_no_answer_and_in_no_count() -> None:
    partition = played()
    shown = json.dumps(views.conversation(partition.conversation))
    shown += json.dumps(views.routing_request(partition.request("r1"))) + repr(partition.counts)
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
