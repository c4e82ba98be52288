"""Kafka Connect's config providers: they replace references in a configuration by the values they stand for.

    ${file:/run/secrets/salesforce.properties:secret}    a key of a .properties file
    ${dir:/run/secrets:salesforce-secret}                the content of a file in a folder
    ${env:SALESFORCE_SECRET}                             a variable of the worker's environment

The worker's properties name the providers and what each may read:

    config.providers=file,env
    config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider
    config.providers.file.param.allowed.paths=/run/secrets
    config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
    config.providers.env.param.allowlist.pattern=SALESFORCE_.*

In Kafka a provider without an allow-list gives everything that the worker can read to whoever may write a connector's
configuration. Here a provider must have one. Links are followed before a path is compared with it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote, quote_plus

from connectors.config.definition import ConfigDef, Referenced, invalid
from connectors.config.properties import parse_properties
from connectors.errors import ConfigError
from schemas.process.text import HIDDEN, without_userinfo

_PACKAGE: Final = "org.apache.kafka.common.config.provider."
_BY_NAME: Final = {"file": "FileConfigProvider", "dir": "DirectoryConfigProvider", "env": "EnvVarConfigProvider"}


class Unresolved(Exception):
    """A reference names something that is not there or must not be read. The message holds no value."""


class Provider(Protocol):
    """Looks up what references of one kind stand for."""

    def get(self, path: str, key: str) -> str:
        """The value that `${provider:path:key}` stands for; `path` may be empty. Raises `Unresolved`."""
        ...


@dataclass(frozen=True, slots=True)
class _Allowed:
    """Folders that may be read, with all that is below them."""

    setting: str
    folders: tuple[Path, ...]

    def text(self, file: Path) -> str:
        """The content of a file inside. Raises `Unresolved`."""
        found = file.resolve()
        if not any(found.is_relative_to(folder.resolve()) for folder in self.folders):
            raise Unresolved(f"{file} is outside {self.setting}")
        try:
            return found.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise Unresolved(f"{file} cannot be read ({type(error).__name__})") from error


@dataclass(frozen=True, slots=True)
class _Files:
    allowed: _Allowed

    def get(self, path: str, key: str) -> str:
        found = parse_properties(self.allowed.text(Path(path)))
        if key not in found:
            raise Unresolved(f"{path} has no key {key}")
        return found[key]


@dataclass(frozen=True, slots=True)
class _Folders:
    allowed: _Allowed

    def get(self, path: str, key: str) -> str:
        if "/" in key:
            raise Unresolved(f"{key} is no name of a file")
        return self.allowed.text(Path(path) / key)


@dataclass(frozen=True, slots=True)
class _Environment:
    setting: str
    pattern: re.Pattern[str]
    variables: Mapping[str, str]

    def get(self, path: str, key: str) -> str:
        if path:
            raise Unresolved(f"a variable has no path, and {path} is one")
        if not self.pattern.fullmatch(key):
            raise Unresolved(f"{key} does not match {self.setting}")
        if key not in self.variables:
            raise Unresolved(f"there is no variable {key}")
        return self.variables[key]


class ConfigProviders:
    """The providers of a worker."""

    def __init__(self, providers: Mapping[str, Provider] | None = None) -> None:
        """`providers` by the name that references use."""
        self._providers = dict(providers or {})

    def resolved(self, config: Mapping[str, str], subject: str) -> dict[str, str]:
        """The configuration with each reference replaced; such a value is a `Referenced`.

        Called each time a connector starts, so that a renewed secret is read. Raises `ConfigError` that names every
        key with a reference that cannot be resolved.
        """
        values, problems = {}, []
        for key, text in config.items():
            try:
                values[key] = self._value(str(text))
            except Unresolved as error:
                # The references alone: what stands around them may be a secret that was written into the file.
                shown = "".join(str(text)[start:end] for start, end in _references(str(text)))
                problems.append(f"Invalid value {shown} for configuration {key}: {error}")
        if problems:
            raise invalid(subject, problems)
        return values

    def _value(self, text: str) -> str:
        parts: dict[str, str] = {}
        pieces, at = [], 0
        for start, end in _references(text):
            reference = text[start:end]
            if reference not in parts:
                parts[reference] = self._look_up(reference[2:-1])
            pieces += [text[at:start], parts[reference]]
            at = end
        return Referenced("".join(pieces) + text[at:], text, parts) if at else text

    def _look_up(self, reference: str) -> str:
        name, _, rest = reference.partition(":")
        path, separated, key = rest.partition(":")
        provider = self._providers.get(name)
        if provider is None:
            raise Unresolved(f"there is no provider {name}; name it in config.providers of the worker")
        return provider.get(path, key) if separated else provider.get("", rest)


def _references(text: str) -> Iterator[tuple[int, int]]:
    """Where references begin and end: a name, a colon, what is looked up, and no brace in it; as Kafka finds them.

    Kafka's pattern has three lazy parts and goes back over the text for each: 1,200 characters took it 26 s.
    """
    start = text.find("${")
    while start >= 0:
        end = text.find("}", start)
        if end < 0:
            return
        if text.find(":", start, end) >= 0:
            yield start, end + 1
        start = text.find("${", end)


def providers_of(properties: Mapping[str, str], environment: Mapping[str, str]) -> ConfigProviders:
    """The providers that worker properties describe. Raises `ConfigError` naming what is missing."""
    names = [name.strip() for name in properties.get("config.providers", "").split(",") if name.strip()]
    problems: list[str] = []
    made = {name: _provider(name, properties, environment, problems) for name in names}
    if problems:
        raise invalid("the worker", problems)
    return ConfigProviders({name: provider for name, provider in made.items() if provider is not None})


def _provider(
    name: str, properties: Mapping[str, str], environment: Mapping[str, str], problems: list[str]
) -> Provider | None:
    prefix = f"config.providers.{name}."
    kind = properties.get(f"{prefix}class", _BY_NAME.get(name, "")).removeprefix(_PACKAGE)
    if kind not in _BY_NAME.values():
        known = ", ".join(_PACKAGE + each for each in _BY_NAME.values())
        problems.append(f"Invalid value {kind or 'null'} for configuration {prefix}class: must be one of {known}")
        return None
    setting = f"{prefix}param.{'allowlist.pattern' if kind == _BY_NAME['env'] else 'allowed.paths'}"
    allowed = properties.get(setting, "").strip()
    if not allowed:
        problems.append(f'Missing required configuration "{setting}": it says what references may read')
        return None
    try:
        if kind == _BY_NAME["env"]:
            return _Environment(setting, re.compile(allowed), environment)
        folders = _Allowed(setting, _folders(allowed.split(",")))
    except (re.error, ValueError) as error:
        problems.append(f"Invalid value {allowed} for configuration {setting}: {error}")
        return None
    return _Files(folders) if kind == _BY_NAME["file"] else _Folders(folders)


def _folders(paths: Sequence[str]) -> tuple[Path, ...]:
    found = tuple(Path(path.strip()) for path in paths if path.strip())
    relative = [path for path in found if not path.is_absolute()]
    if relative:
        raise ValueError(f"{relative[0]} is no absolute path")
    return found


class Redaction:
    """Takes secrets out of any text that leaves the worker: references in the place of their values, `[hidden]` else.

    User and password in URLs go, too.
    """

    _SHORTEST = 4  # a value such as "1" or "yes" is no secret, and would be found in every line
    _SHORTEST_LINE = 16  # of a secret of many lines, such as a key in PEM

    def __init__(self) -> None:
        """Begin with no values."""
        self._shown: dict[str, str] = {}

    def learn(self, config: Mapping[str, str], definition: ConfigDef | None = None) -> None:
        """Remember the values of a resolved configuration that were put in the place of references.

        With the `definition` of its keys also the secrets that were written into it.
        """
        for value in config.values():
            if isinstance(value, Referenced):
                for reference, part in value.parts.items():
                    self._remember(part, reference)
        for value in definition.secrets(config) if definition is not None else ():
            if not isinstance(value, Referenced) or value.reference not in value.parts:
                self._remember(value, HIDDEN)
        # Longest first: a secret that is part of another one must not leave the rest of that one behind.
        self._shown = dict(sorted(self._shown.items(), key=lambda each: -len(each[0])))

    def __call__(self, text: str) -> str:
        """The text, with what may be shown in the place of those values."""
        for value, shown in self._shown.items():
            if value in text:
                text = text.replace(value, shown)
        return without_userinfo(text)

    def error(self, error: ConfigError) -> ConfigError:
        """The same error, with its texts redacted."""
        return ConfigError(self(str(error)), tuple(map(self, error.problems)))

    def _remember(self, value: str, shown: str) -> None:
        secret = value.strip()
        if len(secret) < self._SHORTEST:
            return
        # As it is, and as it stands in Python's and JSON's quotes and in a URL.
        for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret)):
            self._shown.setdefault(form, shown)
        lines = secret.splitlines()
        for line in lines if len(lines) > 1 else ():
            if len(line.strip()) >= self._SHORTEST_LINE and not line.startswith("-----"):
                self._shown.setdefault(line.strip(), shown)
