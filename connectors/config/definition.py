"""Configuration keys, declared as Kafka Connect does: type, default, importance, a sentence, a check. Pure.

    DEFINITION = ConfigDef(
        Key("webhook.url", Type.STRING, doc="Where deliveries are posted.", importance=Importance.HIGH),
        Key("retry.max", Type.INT, default=10, doc="Attempts after the first.", check=at_least(0)),
    )
    values = DEFINITION.parse(config, subject="connector partner-webhook")   # ConfigError names every wrong key
    values.integer("retry.max")

A configuration is a flat map of strings (a .properties file, or the `config` of a JSON document). As in Kafka Connect,
a key that is not declared is no error; `unknown` lists such keys, so that a worker can warn of a typing error.
Passwords are wrapped: printing, formatting or logging one shows `[hidden]`. That word itself is refused as a password:
whoever sends it has read a configuration in which the secret is hidden.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final

from connectors.errors import ConfigError
from schemas.process.text import HIDDEN, one_line, without_userinfo

# References, and between them what is no letter, digit or other part of a secret: ${env:USER}:${env:PASSWORD}.
_ONLY_REFERENCES: Final = re.compile(r"\s*\$\{[^{}:]+:[^{}]*\}(?:[:,\s]*\$\{[^{}:]+:[^{}]*\})*\s*")
# Of keys that are declared nowhere: those of the Kafka client, and mistyped ones.
_NAME_OF_A_SECRET: Final = re.compile(
    r"password|passphrase|secret|token|credential|jaas|private|user\.?info|\.(?:key|pem)$", re.IGNORECASE
)


class Type(StrEnum):
    """Types of a value; the names are Kafka Connect's."""

    BOOLEAN = "BOOLEAN"
    STRING = "STRING"
    INT = "INT"
    LONG = "LONG"
    DOUBLE = "DOUBLE"
    LIST = "LIST"
    CLASS = "CLASS"
    PASSWORD = "PASSWORD"  # noqa: S105 - the name of a type


class Importance(StrEnum):
    """How important a key is; the names are Kafka Connect's."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class _Required(Enum):
    REQUIRED = "required"


REQUIRED: Final = _Required.REQUIRED
Check = Callable[[Any], str | None]


class Password:
    """A secret whose text form is `[hidden]`. `reveal` is called where the secret is sent, and nowhere else."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        """Wrap a secret."""
        self._secret = secret

    def reveal(self) -> str:
        """The secret itself."""
        return self._secret

    def __repr__(self) -> str:
        """`[hidden]`."""
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        """Whether both are the same secret."""
        return isinstance(other, Password) and self._secret == other._secret

    def __hash__(self) -> int:
        """Equal secrets have equal hashes."""
        return hash(self._secret)


class Referenced(str):
    """A value that stands for a reference such as `${env:NAME}`. Only that text, `reference`, may be shown.

    `parts` are the looked-up values by the reference of each, where the text around them is more than they are.
    """

    __slots__ = ("parts", "reference")
    reference: str
    parts: Mapping[str, str]

    def __new__(cls, value: str, reference: str, parts: Mapping[str, str] | None = None) -> "Referenced":
        """The `value`, which remembers its `reference` and of what `parts` it was made."""
        made = super().__new__(cls, value)
        made.reference = reference
        made.parts = dict(parts or {reference: value})
        return made

    def __repr__(self) -> str:
        """That of the reference."""
        return repr(self.reference)


@dataclass(frozen=True, slots=True)
class Key:
    """One configuration key. A `default` of None means that it may be absent.

    `doc` is a sentence for people. `check` takes the typed value and returns what is wrong with it, or None.
    """

    name: str
    type: Type = Type.STRING
    doc: str = ""
    default: object = REQUIRED
    importance: Importance = Importance.MEDIUM
    check: Check | None = None
    group: str = "Connector"

    @property
    def required(self) -> bool:
        """Whether the key must be there: it has no default."""
        return self.default is REQUIRED

    @property
    def valid(self) -> str:
        """Which values are allowed, for people; empty when the type or the sentence says it."""
        return str(self.check) if isinstance(self.check, _OneOf | _AtLeast) else ""


@dataclass(frozen=True, slots=True)
class _OneOf:
    allowed: tuple[str, ...]

    def __call__(self, value: Any) -> str | None:
        return None if value in self.allowed else f"must be one of {self}"

    def __str__(self) -> str:
        return ", ".join(self.allowed)


@dataclass(frozen=True, slots=True)
class _AtLeast:
    least: float

    def __call__(self, value: Any) -> str | None:
        return None if value >= self.least else f"must be {self}"

    def __str__(self) -> str:
        return f"at least {self.least:g}"


def one_of(*allowed: str) -> Check:
    """A check: the value is one of these words."""
    return _OneOf(allowed)


def at_least(least: float) -> Check:
    """A check: the number is not below `least`."""
    return _AtLeast(least)


def non_empty(value: Any) -> str | None:
    """A check: the string or list is not empty."""
    return None if value else "must not be empty"


class Values:
    """A parsed configuration: a typed value for every declared key, its default if it was absent.

    The methods without `optional` raise `ConfigError` for a key that is absent and has no default. A key that is not
    declared raises `KeyError`.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        """`values` by key, typed; None for an absent one."""
        self._values = dict(values)

    def given(self, key: str) -> bool:
        """Whether the key has a value, its own or a default."""
        return self._values[key] is not None

    def string(self, key: str) -> str:
        """The value of a STRING or CLASS."""
        return str(self._present(key))

    def optional_string(self, key: str) -> str | None:
        """The value as text, None when it is absent."""
        value = self._values[key]
        return None if value is None else str(value)

    def integer(self, key: str) -> int:
        """The value of an INT or LONG."""
        return int(self._present(key))

    def number(self, key: str) -> float:
        """The value of a DOUBLE."""
        return float(self._present(key))

    def boolean(self, key: str) -> bool:
        """The value of a BOOLEAN."""
        return bool(self._present(key))

    def strings(self, key: str) -> tuple[str, ...]:
        """The items of a LIST."""
        return tuple(self._present(key))

    def password(self, key: str) -> Password:
        """The value of a PASSWORD; any other value is wrapped as one."""
        value = self._present(key)
        return value if isinstance(value, Password) else Password(str(value))

    def optional_password(self, key: str) -> Password | None:
        """As `password`, None when it is absent."""
        return None if self._values[key] is None else self.password(key)

    def _present(self, key: str) -> Any:
        value = self._values[key]
        if value is None:
            raise ConfigError(f'Missing required configuration "{key}" which has no default value.')
        return value


class ConfigDef:
    """A definition: an ordered set of keys."""

    def __init__(self, *keys: Key) -> None:
        """A later key replaces an earlier one of the same name."""
        self.keys: dict[str, Key] = {key.name: key for key in keys}

    def __add__(self, other: "ConfigDef") -> "ConfigDef":
        """The keys of both; those of `other` replace keys of the same name."""
        return ConfigDef(*{**self.keys, **other.keys}.values())

    def parse(self, config: Mapping[str, str], subject: str) -> Values:
        """Typed values of every key. Raises `ConfigError` that names all wrong keys at once, in declaration order."""
        values: dict[str, Any] = {}
        problems = []
        for key in self.keys.values():
            value, problem = _value_of(key, config.get(key.name))
            values[key.name] = value
            if problem is not None:
                problems.append(problem)
        if problems:
            raise invalid(subject, problems)
        return Values(values)

    def shown(self, config: Mapping[str, str]) -> dict[str, str]:
        """The configuration as others may see it, with the same keys.

        Hidden is each value of type PASSWORD, and each of a key that is not declared: it may be a secret whose key
        was mistyped. A value that is made of references stays as it is written. URLs lose user and password.
        """
        return {key: self._shown_of(key, str(text)) for key, text in config.items()}

    def _shown_of(self, key: str, text: str) -> str:
        if _ONLY_REFERENCES.fullmatch(text):
            return text
        declared = self.keys.get(key)
        return HIDDEN if declared is None or declared.type is Type.PASSWORD else without_userinfo(text)

    def secrets(self, config: Mapping[str, str]) -> Iterator[str]:
        """The values to take out of every text: those of type PASSWORD, and those whose key sounds like a secret's."""
        for key, text in config.items():
            declared = self.keys.get(key)
            if _NAME_OF_A_SECRET.search(key) if declared is None else declared.type is Type.PASSWORD:
                yield text

    def unknown(self, config: Mapping[str, str]) -> tuple[str, ...]:
        """Keys of `config` that are not declared here."""
        return tuple(sorted(set(config) - set(self.keys)))


def invalid(subject: str, problems: Iterable[str]) -> ConfigError:
    """The error for wrong keys, in Kafka Connect's words. `problems` has one sentence per key."""
    found = tuple(map(one_line, problems))
    listing = "\n".join(found)
    return ConfigError(
        f"Configuration of {subject} is invalid and contains the following {len(found)} error(s):\n{listing}", found
    )


def _value_of(key: Key, text: str | None) -> tuple[Any, str | None]:
    if text is None:
        if key.required:
            return None, f'Missing required configuration "{key.name}" which has no default value.'
        return key.default, None
    if key.type is Type.PASSWORD and HIDDEN in text:
        return None, (
            f"Invalid value {HIDDEN} for configuration {key.name}: that is how a secret is shown; give the secret"
            " itself or a reference such as ${env:NAME}"
        )
    try:
        value = _PARSERS[key.type](str(text).strip())
    except ValueError as error:
        return None, f"Invalid value {_shown(key, text)} for configuration {key.name}: {error}"
    problem = key.check(value) if key.check is not None else None
    if problem and isinstance(text, Referenced) and key.type is Type.LIST:
        problem = "one of its items is not valid"  # the check would quote the item
    return value, problem and f"Invalid value {_shown(key, text)} for configuration {key.name}: {problem}"


def _shown(key: Key, text: str) -> str:
    if isinstance(text, Referenced) and (key.type is not Type.PASSWORD or _ONLY_REFERENCES.fullmatch(text.reference)):
        return text.reference
    return HIDDEN if key.type is Type.PASSWORD else one_line(without_userinfo(text))


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not math.isfinite(found):  # no time and no size is endless, and a timer for one raises
        raise ValueError("must be a number")
    return found


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


_PARSERS: dict[Type, Callable[[str], Any]] = {
    Type.BOOLEAN: _boolean,
    Type.STRING: str,
    Type.CLASS: str,
    Type.INT: _integer,
    Type.LONG: _integer,
    Type.DOUBLE: _number,
    Type.LIST: _list,
    Type.PASSWORD: Password,
}

CONNECTOR_KEYS: Final = ConfigDef(
    Key("name", doc="Unique name of the connector.", importance=Importance.HIGH, check=non_empty, group="Common"),
    Key("connector.class", Type.CLASS, doc="Class of the connector.", importance=Importance.HIGH, group="Common"),
    Key("tasks.max", Type.INT, doc="Most tasks to create.", default=1, check=at_least(1), group="Common"),
)
ERROR_KEYS: Final = ConfigDef(
    Key(
        "errors.tolerance",
        doc="all: a record that cannot be processed goes to the dead letters; none: it stops the task.",
        default="all",
        check=one_of("all", "none"),
        group="Error Handling",
    ),
    Key(
        "errors.deadletterqueue.topic.name",
        doc="Topic for records that cannot be processed; <topic.prefix>.dead-letters when absent.",
        default=None,
        group="Error Handling",
    ),
)
