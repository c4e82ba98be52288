"""Whether a message's content lost anything of the message: both as the values at the ends of their JSON."""

from collections import Counter
from collections.abc import Iterator

# Words that say which kind of part it is. In our shape the place says it, or `kind`, which the cases of formats show.
KIND_WORDS = frozenset(
    {
        "messageType",
        "formatType",
        "itemType",
        "assetType",
        "inputType",
        "sectionType",
        "screenType",
        "valueType",
        "citedReferenceType",
        "citedDetailsType",
    }
)
OURS = frozenset({"format", "number"})


def ends(value: object, without: frozenset[str]) -> Iterator[str]:
    """Strings, numbers and booleans of a JSON value, as text; nulls are absent."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in without or isinstance(inner, dict | list):
                yield from ends(inner, without)
    elif isinstance(value, list):
        for inner in value:
            yield from ends(inner, without)
    elif value is not None:
        yield str(value)


def lost(message: object, content: object) -> list[str]:
    """The values of an abstractMessage that its content does not have, as often as they are missing."""
    missing = Counter(ends(message, KIND_WORDS)) - Counter(ends(content, OURS))
    return sorted(missing.elements())
