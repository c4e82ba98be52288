"""What people write: configuration files and references to secrets."""

import contextlib

from connectors.config.properties import parse_connector, parse_properties
from connectors.config.providers import ConfigProviders, providers_of
from connectors.errors import ConfigError
from tests.fuzz.mutators import of_lines
from tests.fuzz.target import Broken, Target


def properties(data: bytes) -> None:
    """A file with the keys of a connector, or of a worker."""
    text = data.decode("utf-8", "replace")
    found = parse_properties(text)
    if not all(isinstance(each, str) for pair in found.items() for each in pair):
        raise Broken("a key or a value is no text")
    with contextlib.suppress(ConfigError):
        parse_connector(text, "file")


def properties_seeds() -> list[bytes]:
    """The forms of both kinds of files."""
    return [
        b"# a comment\nname=x\nconnector.class: a.B\nkey value\nlong=a\\\n   b\nuni=\\u00e9\\t\\:\n!no\n",
        b'{"name": "x", "config": {"connector.class": "a.B", "tasks.max": 1, "flag": true}}',
        b'{"name": "x", "connector.class": "a.B"}',
    ]


_WORDS = (
    *(b"\\", b"\\\n", b"\\u12", b"\\ud800", b"=", b":", b" ", b"\t", b"\n", b"\r", b"\f", b"#", b"!", b"{", b"}", b"["),
    *(b'"', b"null", b"1e400", b'{"config": ', b'{"name": [', b"\xc2\x85", b"\xe2\x80\xa8", b"[" * 3_000, b"\\" * 60),
)
_PROVIDERS = {
    "config.providers": "env",
    "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
    "config.providers.env.param.allowlist.pattern": "SECRET_.*",
}


def references(data: bytes) -> None:
    """A value with references."""
    providers: ConfigProviders = providers_of(_PROVIDERS, {"SECRET_A": "${env:SECRET_A}", "OTHER": "no"})
    try:
        found = providers.resolved({"key": data.decode("utf-8", "replace")}, "connector x")
    except ConfigError:
        return
    if found["key"] == "no":
        raise Broken("a variable that is not on the list was read")


def reference_seeds() -> list[bytes]:
    """References, as they are written and as they are not."""
    return [
        b"${env:SECRET_A}",
        b"https://${env:SECRET_A}.example/${env::SECRET_A}",
        b"${file:/run/secrets/s.properties:key}",
        b"$${env:SECRET_A} ${} ${env} ${env:OTHER}",
        b"${" * 300 + b":" * 300,
    ]


_REFERENCE_WORDS = (b"${", b"}", b":", b"env", b"${env:", b"SECRET_A", b"OTHER", b"$", b"{", b"\n", b"${env:SECRET_A}")
TARGETS = (
    Target(name="properties", one_input=properties, seeds=properties_seeds, mutate=of_lines(_WORDS)),
    Target(name="references", one_input=references, seeds=reference_seeds, mutate=of_lines(_REFERENCE_WORDS)),
)
