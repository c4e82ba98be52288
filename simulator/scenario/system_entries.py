"""Rare entries that Salesforce adds by itself. Some change state; none goes to the end user. Pure.

They must not change what is expected of other events. So an end user withdraws consent when all that is left to deliver
is the confirmation; a consultation is another conversation, of which nothing is delivered; and accepted work belongs to
the first rep, before any routing request.
"""

from simulator.events import entries
from simulator.events.entries import Json
from simulator.scenario.script import Script, Step, StepKind

SYSTEM_ENTRY_STEPS = frozenset(
    {
        StepKind.CONSENT,
        StepKind.OPTED_OUT,
        StepKind.UPLOAD,
        StepKind.DELIVERY_FAILED,
        StepKind.CONSULT,
        StepKind.TRANSFER_PROGRESS,
        StepKind.CONFERENCED,
        StepKind.WORK_ACCEPTED,
    }
)


def system_entry(script: Script, step: Step, at_ms: int) -> Json:
    """The entry of such a step; raises `ValueError` for other steps."""
    match step.kind:
        case StepKind.CONSENT:
            entry = _consent(script, step, "OptIn")
        case StepKind.OPTED_OUT:
            entry = _consent(script, step, "OptOut")
        case StepKind.UPLOAD:
            entry = _message_updated(script, step)
        case StepKind.DELIVERY_FAILED:
            entry = _delivery_failed(script, step)
        case StepKind.CONSULT:
            entry = _entry("ConsultConversationInfo", step, conversationIdentifier=step.variant, timestamp=at_ms)
        # The public schema names these two and says nothing of their fields.
        case StepKind.TRANSFER_PROGRESS:
            entry = _entry("TransferProgress", step)
        case StepKind.CONFERENCED:
            entry = _entry("ParticipantsConferenced", step)
        case StepKind.WORK_ACCEPTED:
            entry = _work_accepted(script, step)
        case _:
            raise ValueError(f"rendering step {step.kind}: it has no entry of its own")
    return entry


def _entry(entry_type: str, step: Step, **fields: object) -> Json:
    return {"entryType": entry_type, "id": step.entry_id, **fields}


def _consent(script: Script, step: Step, status: str) -> Json:
    return _entry(
        "EndUserConsentUpdated",
        step,
        endUserSubject=script.end_user_subject,
        consentStatus=status,
        isEndUserInitiated=True,
        initiatingConversationEntryIdentifier=script.inbound_entry_id,
    )


def _message_updated(script: Script, step: Step) -> Json:
    """The end user's own file, now stored."""
    file = {
        "id": f"a-{script.inbound_entry_id}",
        "name": "receipt.png",
        "mimeType": "image/png",
        "url": "https://org.file.force.example/sfc/upload",
        "attachmentUploadResult": {"resultType": "CompletedAttachmentUploadResult"},
    }
    message = {
        "messageType": "StaticContentMessage",
        "id": script.inbound_entry_id,
        "staticContent": {"formatType": "Attachments", "attachments": [file]},
    }
    return _entry("MessageUpdated", step, updatedMessage=message)


def _delivery_failed(script: Script, step: Step) -> Json:
    return _entry(
        "MessageDeliveryFailed",
        step,
        recipient=entries.end_user(script.end_user_subject),
        errorCode="10055",
        failedConversationEntryIdentifier=script.inbound_entry_id,
        errorMessage="the message could not be taken",
    )


def _work_accepted(script: Script, step: Step) -> Json:
    return entries.work_result(
        step.entry_id,
        work_id=f"0Bz{script.session_id[3:]}",
        work_item_id=script.session_id,
        work_type="Accepted",
        routing_type="Initial",
    )
