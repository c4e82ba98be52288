"""Who is in the conversation: `ParticipantChanged` entries applied to the list of participants."""

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from streams.core.model.bounds import LONGEST_NAME, LONGEST_WORD, checked_id
from streams.core.model.lenient import Object, as_object, as_objects, as_text, cut
from streams.core.model.state import MAX_PARTICIPANTS, Conversation, Participant

# Those who can be the customer's counterpart.
SERVING_ROLES = frozenset({"Agent", "Chatbot"})


class ParticipantOperation(StrEnum):
    """What happened to a participant. Compared in lower case: some senders write Add and Remove."""

    ADD = "add"
    REMOVE = "remove"
    UPDATE = "update"


class ParticipantChange(msgspec.Struct, frozen=True, gc=False):
    """One participant who joined, left or changed."""

    operation: ParticipantOperation
    subject: str
    role: str | None
    app_type: str | None
    display_name: str | None


def participant_changes(body: Object) -> list[ParticipantChange]:
    """The changes of a `ParticipantChanged` entryPayload; a top-level participant counts as one of them."""
    items = as_objects(body.get("entries"))
    if not items and as_object(body.get("participant")) is not None:
        items = [body]
    return [change for change in map(_change, items) if change is not None]


def _change(item: Object) -> ParticipantChange | None:
    who = as_object(item.get("participant")) or {}
    subject = checked_id(as_text(who.get("subject")), "subject")
    word = (as_text(item.get("operation")) or ParticipantOperation.ADD).lower()
    if not subject or word not in ParticipantOperation.__members__.values():
        return None
    return ParticipantChange(
        operation=ParticipantOperation(word),
        subject=subject,
        role=cut(as_text(who.get("role")), LONGEST_WORD) or None,
        app_type=cut(as_text(who.get("appType")), LONGEST_WORD) or None,
        display_name=cut(as_text(item.get("displayName")), LONGEST_NAME) or None,
    )


def with_participants(conversation: Conversation, made: list[ParticipantChange], at_ms: int) -> Conversation:
    """The conversation after the changes. It ends when the last who serves leaves a session that is not active.

    Leaving twice, or leaving without having joined, is normal and changes nothing else.
    """
    people = conversation.participants
    for change in made:
        people = _with_change(people, change, at_ms)
    served = _is_served(people)
    ended_at_ms = conversation.ended_at_ms
    if served:
        ended_at_ms = None
    elif _is_served(conversation.participants) and conversation.session.status != "Active":
        ended_at_ms = at_ms
    return replace(conversation, participants=people, ended_at_ms=ended_at_ms)


def _is_served(people: tuple[Participant, ...]) -> bool:
    return any(each.role in SERVING_ROLES and each.left_at_ms is None for each in people)


def _with_change(people: tuple[Participant, ...], change: ParticipantChange, at_ms: int) -> tuple[Participant, ...]:
    known = next((each for each in people if each.subject == change.subject), None)
    others = tuple(each for each in people if each is not known)
    if change.operation is ParticipantOperation.REMOVE:
        if known is None or known.role == "Router":  # routers come and go with each request, under new subjects
            return others
        return (*others, replace(known, left_at_ms=at_ms))
    was = known or Participant(subject=change.subject)
    joins = change.operation is ParticipantOperation.ADD and (known is None or known.left_at_ms is not None)
    now = replace(
        was,
        role=change.role or was.role,
        app_type=change.app_type or was.app_type,
        display_name=change.display_name or was.display_name,
        joined_at_ms=at_ms if joins else was.joined_at_ms,
        left_at_ms=None if joins else was.left_at_ms,
    )
    return _bounded((*others, now))


def _bounded(people: tuple[Participant, ...]) -> tuple[Participant, ...]:
    """At most `MAX_PARTICIPANTS`: who left goes first, then who is longest unchanged."""
    if len(people) <= MAX_PARTICIPANTS:
        return people
    gone = next((each for each in people if each.left_at_ms is not None), people[0])
    return tuple(each for each in people if each is not gone)
