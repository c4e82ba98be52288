"""The guards of the domain, each with the code that stands for it.

`_core(name, function, code)`: the code becomes `False`, unless something else is given.
"""

from tests.mutation.mutant import Mutant

CONSULTATIONS = "test_consultations.py test_event_mapping.py"


def _core(name: str, function: str, old: str, new: str = "False", tests: str = "tests/unit/streams/core") -> Mutant:
    return Mutant(name, function if ":" in function else f"streams.core:{function}", old, new, tests)


GUARDS = [
    _core("guard 0: not an event type that delivers", "objection", "event.event_type not in _DELIVERING_EVENT_TYPES"),
    _core("guard 1: types differ", "objection", "not entry.type_matches"),
    _core("guard 1: a state entry whose types differ", "_take_entry", "not entry.type_matches"),
    _core("guard 2: visibility", "objection", "entry.visibility is not None and entry.visibility != 'Default'"),
    _core("guard 2: a strategy that is no word", "_strictest", "_UNREADABLE", "'Default'"),
    _core(
        "guard 3: no recipient",
        "_recipient_objection",
        "entry.recipient_subject is None or entry.recipient_role is None",
    ),
    _core("guard 3: recipient's role", "_recipient_objection", "entry.recipient_role != 'EndUser'"),
    _core(
        "guard 3: the whole subject",
        "_recipient_objection",
        "entry.recipient_subject != conversation.end_user_subject",
        "entry.recipient_subject[:15] != (conversation.end_user_subject or '')[:15]",
    ),
    _core(
        "guard 3: a consultation",
        "_recipient_objection",
        "Withheld.CONSULTATION if conversation.no_delivery else None",
        "None",
    ),
    _core("guard 4: sender's role", "_sender_objection", "_SENDER_REASONS.get(role, Withheld.SENDER_ROLE)", "None"),
    _core("guard 4: supervisors by rule only", "_sender_objection", "rules.supervisor_messages", "True"),
    _core("guard 5: recipients without the end user", "_audience_objection", "entry.recipients is not None"),
    _core("guard 6: consent", "_audience_objection", "conversation.consent == 'OptOut'"),
    _core("guard 6: but the confirmation leaves", "_audience_objection", "not _confirms_consent(entry)", "True"),
    _core("guard 7: not before", "_take_entry", "turn.seen(key)"),
    _core("never: a note", "_take_entry", "row.withheld_as is not None"),
    _core("never: answers of the end user", "_content_objection", "message.message_type not in CONTAINERS"),
    _core("never: an unknown format", "_content_objection", "message.format_type not in FORMATS"),
    _core("never: no content", "_content_objection", "message.text is None and message.content is None"),
    _core("ephemeral: received stale", "_take_ephemeral", "event.received_at_ms >= expires_at_ms"),
    _core("ephemeral: read stale", "_take_ephemeral", "turn.now_ms >= expires_at_ms"),
    _core("routing: no call at its deadline", "_with_answer_sent", "turn.now_ms >= deadline_ms(facts, rules)"),
    _core("routing: no task too late", "with_task_sent", "turn.now_ms >= answer_by_ms(facts, turn.rules)"),
    _core("routing: one answer", "_with_answer_sent", "told.answer is not None"),
    _core("routing: one outcome", "_with_outcome_sent", "request.outcome == told.outcome"),
    _core("routing: undo only when over", "with_work_taken_back", "request.state not in _UNDONE"),
    _core("routing: undo while of use", "with_work_taken_back", "turn.now_ms >= at_ms + turn.rules.result_window_ms"),
    _core("routing: each work call once", "_with_call_sent", "name in told.work"),
    _core("routing: work calls by rule only", "with_work_offered", "not turn.rules.work_calls"),
    _core("routing: no work for targets outside", "_with_offer_sent", "decision.externally_routed"),
    _core("asked again: not what was declined before", "_is_declined", "decision.decided_at_ms <= at_ms", "True"),
    _core("asked again: only what was accepted", "_is_declined", "decision.decision == DecisionKind.ACCEPT", "True"),
    _core("asked again: only a decline", "attempts_of", "moment.event != RoutingEvent.WORK_DECLINED"),
    _core(
        "asked again: an older decision does not answer",
        "attempts_of",
        "left and left[0].decided_at_ms < moment.at_ms - rules.skew_ms",
    ),
    _core("asked again: once for each decline", "_with_task_sent_again", "again <= request.told.asked_again"),
    _core("asked again: not when the answer is there", "_with_task_sent_again", "attempts[-1].decision is not None"),
    _core("asked again: not when it is over", "_with_task_sent_again", "request.state != RoutingState.CLAIMED"),
    _core("asked again: not too late", "_with_task_sent_again", "turn.now_ms >= answer_by_ms(facts, turn.rules)"),
    _core(
        "asked again: a repeat is no answer",
        "with_decision",
        "any((each.decision_id == decision.decision_id for each in held))",
    ),
    _core("offered again: not when it is over", "with_work_offered_again", "request.state != RoutingState.CLAIMED"),
    _core(
        "offered again: not at the deadline", "with_work_offered_again", "turn.now_ms >= deadline_ms(facts, turn.rules)"
    ),
    _core("offered again: by rule only", "with_work_offered_again", "not turn.rules.work_calls"),
    _core("offered again: not after a refusal", "with_work_offered_again", "decision.decision != DecisionKind.ACCEPT"),
    _core(
        "offered again: declined work is not taken back",
        "take_work_result",
        "replace(request, agent_work_id=None)",
        "request",
    ),
    _core("offered again: results of each attempt", "_request_calls", "row.repeats is Repeats.PER_ATTEMPT", "False"),
    _core(
        "seated: others after a decline",
        "_is_for_anyone",
        "any(moment.event == RoutingEvent.WORK_DECLINED for moment in request.moments)",
    ),
    _core("seated: never a contact outside", "_is_for_anyone", "kind != TargetKind.EXTERNAL", "True"),
    _core("removed: by rule only", "with_declined_reps_removed", "not turn.rules.remove_rerouted"),
    _core("removed: only when someone joined", "with_declined_reps_removed", "request.state != RoutingState.SEATED"),
    _core(
        "removed: not who joined",
        "with_declined_reps_removed",
        "staying | _newest_user(attempts)",
        "_newest_user(attempts)",
    ),
    _core(
        "removed: not who got the offer again",
        "with_declined_reps_removed",
        "staying | _newest_user(attempts)",
        "staying",
    ),
    _core("removed: while of use", "with_declined_reps_removed", "turn.now_ms >= at_ms + turn.rules.result_window_ms"),
    _core("commands: once", "take_command", "turn.seen(key)"),
    _core("commands: known ones", "_refusal", "command.command not in CommandKind.__members__.values()"),
    _core("commands: by rule only", "_refusal", "not turn.rules.partner_commands"),
    _core("commands: in time", "_refusal", "turn.now_ms >= command.commanded_at_ms + turn.rules.command_within_ms"),
    _core("commands: an identifier that the API knows", "_refusal", "api_identifier(conversation) is None"),
    _core("commands: somebody is named", "_refusal", "None if command.user_id else 'user_absent'", "None"),
    _core("commands: not for a session that is over", "_session_refusal", "is_session_over(conversation.session)"),
    _core(
        "commands: an end user that is known",
        "_session_refusal",
        "conversation.channel_address_id is None or conversation.end_user_subject is None",
    ),
    _core("commands: inactive by the id only", "_session_refusal", "'session_unknown' if unnamed else None", "None"),
    _core("commands: only words of the API", "session_body", "on_behalf_of in _BEHALF", "on_behalf_of"),
    _core("content: what has no place is kept", "shaped", "(left := part.left())"),
    _core("content: what has no place in a title is kept", "title_fields", "owner.keep(name, item.left())", "pass"),
    _core(
        "content: odd things in an array are kept",
        "parts",
        "len(objects) < len(found)",
        tests="property/test_content.py",
    ),
    _core(
        "content: words that are not known are kept", "Part.drop", "self._left.get(name) in known", "name in self._left"
    ),
    _core("content: a link has no number", "_options", "as_filled_text(option.get('url'))"),
    _core(
        "content: the identifier of old options",
        "option",
        "chosen.text('optionId') if identifier is None else identifier",
        "identifier",
    ),
    _core(
        "consultations: announced in their own partition",
        "connectors.pubsub:_conversation_id",
        "CONSULT_INFO in payload",
        tests=CONSULTATIONS,
    ),
    _core(
        "consultations: only by their announcement",
        "connectors.pubsub:_consultation",
        "CONSULT_INFO not in (_text(entry.get('entryType')), _text(body.get('entryType')))",
        tests=CONSULTATIONS,
    ),
    _core("routing: only words of the API", "unroute_body", "cancel_reason in _CANCEL_REASONS", "cancel_reason"),
    _core("receipts: once", "_remembered_as_new", "turn.seen(key)"),
    _core(
        "receipts: only channels that want it",
        "_send_acknowledgements",
        "conversation.channel_address_id in wanted",
        "True",
    ),
    _core("receipts: only messages", "_send_acknowledgements", "_is_message(each)", "True"),
    _core("receipts: read is not lowered", "_send_acknowledgements", "not _is_read(turn, each)", "True"),
    _core(
        "receipts: a conversation the API knows",
        "api_identifier",
        "None if key == f'{conversation.channel_address_id}:{subject}' else key",
        "key",
    ),
    _core("acknowledgements: read is a high-water mark", "with_acknowledgement", "mark.at_ms <= was.reps_read.at_ms"),
    _core("acknowledgements: the later stands", "later", "found.at_ms > known.at_ms", "True"),
    _core("uploads: pending does not undo", "with_uploads", "known.status != 'pending' == upload.status"),
    _core("uploads: the later stands", "with_uploads", "known.at_ms > upload.at_ms"),
    _core("calls: acceptance stands", "_weight", "call.outcome == CallOutcome.ACCEPTED"),
    _core("calls: only of the request", "_put_call", "name is None"),
    _core("routing: the work of one request only", "_put_work_id", "len(requests) == 1", "True"),
    _core("state: receipts before their conversation", "_conversation_of", "not conversation.started_at_ms"),
    _core("calls: a conversation that is gone", "take_call_result", "result.error_code in GONE"),
]
