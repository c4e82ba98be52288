"""Configuration keys declared in Kafka Connect's manner: type, default, importance, a sentence, a check.

    DEFINITION = ConfigDef(
        Key("webhook.url", Kind.STRING, doc="Where deliveries are posted.", importance=Importance.HIGH),
        Key("retry.max", Kind.INT, default=10, doc="Attempts after the first.", check=at_least(0)),
    )
    values = DEFINITION.parse(config, subject="connector partner-webhook")   # ConfigError names every wrong key
    values.integer("retry.max")

Configuration arrives as a flat map of strings (a .properties file or the `config` of a JSON document). A key that no
definition knows is left alone, as in Kafka Connect; `unknown` lists such keys so that a worker can warn of a typing
error. Passwords are wrapped: printing, formatting or logging one shows `[hidden]`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final

from connectors.errors import ConfigError

HIDDEN: Final = "[hidden]"  # as Kafka Connect renders a password


class Kind(StrEnum):
    """Kafka Connect's types of a value."""

    BOOLEAN = "BOOLEAN"
    STRING = "STRING"
    INT = "INT"
    LONG = "LONG"
    DOUBLE = "DOUBLE"
    LIST = "LIST"
    CLASS = "CLASS"
    PASSWORD = "PASSWORD"  # noqa: S105 - the name of a type


class Importance(StrEnum):
    """Kafka Connect's importance of a key."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class _Required(Enum):
    REQUIRED = "required"


REQUIRED: Final = _Required.REQUIRED
Check = Callable[[Any], str | None]


class Password:
    """A secret that does not show itself. `reveal` is called where it is sent, nowhere else."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def reveal(self) -> str:
        """The secret itself."""
        return self._secret

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Password) and self._secret == other._secret

    def __hash__(self) -> int:
        return hash(self._secret)


class Referenced(str):
    """A value that a reference such as `${env:NAME}` stood for; `reference` is the text that may be shown."""

    __slots__ = ("reference",)
    reference: str

    def __new__(cls, value: str, reference: str) -> "Referenced":
        made = super().__new__(cls, value)
        made.reference = reference
        return made

    def __repr__(self) -> str:
        return repr(self.reference)


@dataclass(frozen=True, slots=True)
class Key:
    """One configuration key. A `default` of None means: absent is allowed. `check` returns what is wrong, or None."""

    name: str
    kind: Kind = Kind.STRING
    doc: str = ""
    default: object = REQUIRED
    importance: Importance = Importance.MEDIUM
    check: Check | None = None
    group: str = "Connector"

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def valid(self) -> str:
        """What values there are, for people; empty when the type says all, or the sentence does."""
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
    """The value is one of these words."""
    return _OneOf(allowed)


def at_least(least: float) -> Check:
    """The number is not below `least`."""
    return _AtLeast(least)


def non_empty(value: Any) -> str | None:
    """The string or list holds something."""
    return None if value else "must not be empty"


def http_url(value: Any) -> str | None:
    """The string is an http or https address."""
    return None if str(value).startswith(("http://", "https://")) else "must start with http:// or https://"


def http_url_without_credentials(value: Any) -> str | None:
    """As `http_url`, without user and password: those have keys of their own, which are not shown."""
    return http_url(value) or ("must not hold user and password; they have keys of their own" if "@" in value else None)


class Values:
    """A parsed configuration: every declared key, typed, defaults filled in."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def given(self, key: str) -> bool:
        """Whether the key has a value, its own or a default."""
        return self._values[key] is not None

    def string(self, key: str) -> str:
        return str(self._present(key))

    def optional_string(self, key: str) -> str | None:
        value = self._values[key]
        return None if value is None else str(value)

    def integer(self, key: str) -> int:
        return int(self._present(key))

    def number(self, key: str) -> float:
        return float(self._present(key))

    def boolean(self, key: str) -> bool:
        return bool(self._present(key))

    def strings(self, key: str) -> tuple[str, ...]:
        return tuple(self._present(key))

    def password(self, key: str) -> Password:
        value = self._present(key)
        return value if isinstance(value, Password) else Password(str(value))

    def optional_password(self, key: str) -> Password | None:
        return None if self._values[key] is None else self.password(key)

    def _present(self, key: str) -> Any:
        value = self._values[key]
        if value is None:
            raise ConfigError(f'Missing required configuration "{key}" which has no default value.')
        return value


class ConfigDef:
    """An ordered set of keys. Definitions are joined with `+`; a later key of the same name replaces an earlier one."""

    def __init__(self, *keys: Key) -> None:
        self.keys: dict[str, Key] = {key.name: key for key in keys}

    def __add__(self, other: "ConfigDef") -> "ConfigDef":
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

    def unknown(self, config: Mapping[str, str]) -> tuple[str, ...]:
        """Keys of `config` that are not declared here."""
        return tuple(sorted(set(config) - set(self.keys)))


def invalid(subject: str, problems: Iterable[str]) -> ConfigError:
    """The error for wrong keys, worded as Kafka Connect words it; also for checks across several keys."""
    found = tuple(problems)
    listing = "\n".join(found)
    return ConfigError(
        f"Configuration of {subject} is invalid and contains the following {len(found)} error(s):\n{listing}", found
    )


def _value_of(key: Key, text: str | None) -> tuple[Any, str | None]:
    if text is None:
        if key.required:
            return None, f'Missing required configuration "{key.name}" which has no default value.'
        return key.default, None
    try:
        value = _PARSERS[key.kind](str(text).strip())
    except ValueError as error:
        return None, f"Invalid value {_shown(key, text)} for configuration {key.name}: {error}"
    problem = key.check(value) if key.check is not None else None
    if problem and isinstance(text, Referenced) and key.kind is Kind.LIST:
        problem = "one of its items is not valid"  # the check would quote it
    return value, problem and f"Invalid value {_shown(key, text)} for configuration {key.name}: {problem}"


def _shown(key: Key, text: str) -> str:
    if isinstance(text, Referenced):
        return text.reference
    return HIDDEN if key.kind is Kind.PASSWORD else text


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
        return float(text)
    except ValueError:
        raise ValueError("must be a number") from None


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


_PARSERS: dict[Kind, Callable[[str], Any]] = {
    Kind.BOOLEAN: _boolean,
    Kind.STRING: str,
    Kind.CLASS: str,
    Kind.INT: _integer,
    Kind.LONG: _integer,
    Kind.DOUBLE: _number,
    Kind.LIST: _list,
    Kind.PASSWORD: Password,
}

CONNECTOR_KEYS: Final = ConfigDef(
    Key("name", doc="Unique name of the connector.", importance=Importance.HIGH, check=non_empty, group="Common"),
    Key("connector.class", Kind.CLASS, doc="Class of the connector.", importance=Importance.HIGH, group="Common"),
    Key("tasks.max", Kind.INT, doc="Most tasks to create.", default=1, check=at_least(1), group="Common"),
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
