"""Whatever a message has in it, of any shape and at any place, its content has too."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import streams.core.content.form
import streams.core.content.formats
import streams.core.content.parts
from streams.core.content.formats import FORMATS
from streams.core.content.read import CONTAINERS, content_of
from tests.support.content import KIND_WORDS, lost

# The words that the builders look for, read from their sources; and one that nobody looks for.
WORDS = sorted(
    {
        word
        for module in (streams.core.content.form, streams.core.content.formats, streams.core.content.parts)
        for word in re.findall(r'"([a-z]+[A-Za-z]*)"', Path(module.__file__ or "").read_text())
    }
    - KIND_WORDS
    | {"unheardOf"}
)
_numbers = itertools.count(1)


def ends() -> st.SearchStrategy[Any]:
    """Values that occur once, so that one that is missing is missed."""
    named = st.builds(lambda: f"text-{next(_numbers)}~")
    return st.one_of(named, named, st.none(), st.builds(lambda: next(_numbers) + 10_000), st.booleans())


objects = st.recursive(
    ends(),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(WORDS), inner, max_size=6), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=25,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(CONTAINERS)),
    st.sampled_from(sorted(FORMATS)),
    st.dictionaries(st.sampled_from(WORDS), objects, max_size=8),
    st.dictionaries(st.sampled_from(["id", "references", "inReplyToMessageId", "unheardOf"]), objects, max_size=3),
)
def test_nothing_that_a_message_holds_is_lost(
    message_type: str, format_type: str, fields: dict[str, Any], more: dict[str, Any]
) -> None:
    static = {**fields, "formatType": format_type}
    message = {**more, "messageType": message_type, CONTAINERS[message_type]: static}
    content = content_of({"abstractMessage": message})
    assert content is not None
    if content.content is None:  # a text that says it all
        assert lost({name: value for name, value in message.items() if name != "id"}, {"t": content.text}) == []
    else:
        assert lost(message, json.loads(content.content)) == []
