"""Takes a JSON object of a message apart, field by field, so that fields nobody has taken can be kept as they are."""

from collections.abc import Mapping

from streams.core.model.lenient import Object, as_object, as_text


class Part:
    """A JSON object whose fields are taken one by one. Each method removes what it returns.

    An explicit null counts as absent. A value of another type than asked for is not taken: it stays in `left`.
    """

    __slots__ = ("_left",)

    def __init__(self, value: Mapping[str, object]) -> None:
        """Copy the fields of `value`; the object itself stays as it is."""
        self._left: Object = {name: inner for name, inner in value.items() if inner is not None}

    def text(self, name: str) -> str | None:
        """Take a string, or a whole number as its digits."""
        if name not in self._left:
            return None
        value = as_text(self._left[name])
        if value is not None:
            del self._left[name]
        return value

    def texts(self, names: Mapping[str, str]) -> Object:
        """Take the texts of these fields, where they are there. `names` maps Salesforce's names to ours."""
        left = self._left
        return {
            ours: text for theirs, ours in names.items() if theirs in left and (text := self.text(theirs)) is not None
        }

    def scalar(self, *names: str) -> str | float | bool | None:
        """Take the first of these fields that is a string, a number or a boolean, as it is."""
        for name in names:
            if isinstance(self._left.get(name), (str, int, float)):
                found: str | float | bool = self._left.pop(name)
                return found
        return None

    def value(self, name: str) -> object:
        """Take a value of any type."""
        return self._left.pop(name, None)

    def part(self, name: str) -> "Part | None":
        """Take an object."""
        found = as_object(self._left.get(name)) if name in self._left else None
        if found is None:
            return None
        del self._left[name]
        return Part(found)

    def parts(self, name: str) -> "list[Part]":
        """Take the objects of an array; anything else in it stays."""
        found = self._left.get(name)
        if not isinstance(found, list):
            return []
        del self._left[name]
        objects = [Part(each) for each in found if isinstance(each, dict)]
        if len(objects) < len(found):
            self.keep(name, [each for each in found if each is not None and not isinstance(each, dict)])
        return objects

    def word(self, name: str, words: Mapping[str, str]) -> str | None:
        """Take one of Salesforce's words and return ours for it; a word that is not in `words` stays."""
        ours = words.get(as_text(self._left.get(name)) or "")
        if ours is not None:
            del self._left[name]
        return ours

    def drop(self, name: str, known: frozenset[str]) -> None:
        """Remove a word that says nothing beside its place; a word that is not in `known` stays."""
        found = self._left.get(name)
        if isinstance(found, str) and found in known:
            del self._left[name]

    def keep(self, name: str, left: object) -> None:
        """Put back the rest of something that was taken; nothing when there is no rest."""
        if left:
            self._left[name] = left

    def left(self) -> Object:
        """The fields that have not been taken."""
        return self._left


def shaped(part: Part, **fields: object) -> Object:
    """The fields that have a value, then `extra` with whatever nobody has taken from the part."""
    made = {name: value for name, value in fields.items() if value or value in (0, "")}
    if left := part.left():
        made["extra"] = left
    return made
