"""Taking an object of a message apart: what is taken is gone from it, and what is left over is kept."""

from collections.abc import Mapping

from streams.core.model.lenient import Object, as_object, as_text


class Part:
    """An object on its way into our shape. Explicit nulls are absent; what has another shape than asked for stays."""

    __slots__ = ("_left",)

    def __init__(self, value: Mapping[str, object]) -> None:
        """`value` is a JSON object; its explicit nulls count as absent."""
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
        """Take those of these texts that are there, under our names."""
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
        """Take whatever is there."""
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
        """Take a word of theirs as ours; one that we do not know stays."""
        ours = words.get(as_text(self._left.get(name)) or "")
        if ours is not None:
            del self._left[name]
        return ours

    def drop(self, name: str, known: frozenset[str]) -> None:
        """Forget a word that the place and the other fields say already; one that we do not know stays."""
        if self._left.get(name) in known:
            del self._left[name]

    def keep(self, name: str, left: object) -> None:
        """Put back what was left of something taken."""
        if left:
            self._left[name] = left

    def left(self) -> Object:
        """What has not been taken."""
        return self._left


def shaped(part: Part, **fields: object) -> Object:
    """Our shape: the fields that are there, then `extra` with what was left of the part."""
    made = {name: value for name, value in fields.items() if value or value in (0, "")}
    if left := part.left():
        made["extra"] = left
    return made
