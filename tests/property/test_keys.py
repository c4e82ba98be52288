"""Keys of the tables, and what ids are made of: two things never share one, and what is stored keeps its key.

Conversation, entry and request ids are foreign text: any character may be in them, the separator too.
"""

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.model.keys import digest, ids_of_routing_key, routing_key, seen_key

# Mostly what the keys themselves are made of: the separator, the escape and its letters.
_part = st.text(st.sampled_from("|\\bpsa,|"), max_size=6) | st.text(max_size=8)
_plain = _part.map(lambda text: text.replace("|", ""))
_word = st.sampled_from(["Message", "command", "receipt.read", "acknowledgement"])


@given(first=st.tuples(_part, _part), second=st.tuples(_part, _part))
def test_two_requests_never_share_a_key(first: tuple[str, str], second: tuple[str, str]) -> None:
    assert (routing_key(*first) == routing_key(*second)) == (first == second)
    assert ids_of_routing_key(routing_key(*first)) == first


@given(first=st.tuples(_part, _part, _part), second=st.tuples(_part, _part, _part))
def test_two_entries_never_share_a_key(first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
    assert (seen_key(*first) == seen_key(*second)) == (first == second)


@given(first=st.tuples(_word, _part, _part), second=st.tuples(_word, _part, _part))
def test_two_things_never_share_an_id(first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
    assert (digest(*first) == digest(*second)) == (first == second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("c", "Message", "Message|z"), ("c|Message", "Message", "z"), id="an entry id"),
        pytest.param(("c|x", "Message", "y"), ("c", "x|Message", "y"), id="a type"),
        pytest.param(("c\\", "Message", "|"), ("c", "\\Message", "|"), id="the escape"),
    ],
)
def test_a_separator_inside_an_id_is_not_one(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert "|".join(one) == "|".join(other) or "\\" in one[0]
    assert seen_key(*one) != seen_key(*other)
    assert routing_key(one[0], "|".join(one[1:])) != routing_key(other[0], "|".join(other[1:]))
    assert digest("Message", one[0], "|".join(one[1:])) != digest("Message", other[0], "|".join(other[1:]))


@given(conversation=_plain, entry_type=_plain, entry=_plain)
def test_what_has_no_separator_keeps_the_key_that_changelogs_hold(
    conversation: str, entry_type: str, entry: str
) -> None:
    assert seen_key(conversation, entry_type, entry) == f"{conversation}|{entry_type}|{entry}"
    assert routing_key(conversation, entry) == f"{conversation}|{entry}"
    expected = blake2b(f"Message|{conversation}|{entry}".encode(), digest_size=16).hexdigest()
    assert digest("Message", conversation, entry) == expected


@given(conversation=_part, request=_plain)
def test_a_conversation_with_the_separator_keeps_its_requests(conversation: str, request: str) -> None:
    """Request ids that the processor keeps have none, so these keys were clear, and changelogs hold them."""
    assert routing_key(conversation, request) == f"{conversation}|{request}"
