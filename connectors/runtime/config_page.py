"""docs/configuration.md, written from the declared keys: `python -m connectors.runtime.config_page > FILE`."""

from collections.abc import Iterator

import click

from connectors.config.definition import REQUIRED, ConfigDef, Key, Type
from connectors.runtime import worker_config
from connectors.runtime.registry import CLASSES, connector_class

_INTRODUCTION = """\
# Configuration

Written from the code by `make docs`; a test compares them. Configuration is a flat map of strings, in `.properties` or
JSON. A key without a default is required; a default of (none) means that it may be absent. A value that is wrong is
named with its key before anything starts, all of them at once.

Values of type PASSWORD are never shown: not in the REST API, not in logs, errors or the `trace` of a task. Each is
`[hidden]` there, where Kafka Connect shows what was written into the file. The same is true of values of keys that this
page does not have (a mistyped key may hold a secret) and of `user:password@` in a URL. `[hidden]` as the value of a
PASSWORD is refused, so a configuration that was read from the REST API cannot take the place of the real one. Any value
may be a reference to a file or a variable of the worker, see `docs/source.md`; references are shown as references.
"""


def page() -> str:
    """The whole document."""
    parts = [_INTRODUCTION, *_section("Worker", worker_config.DEFINITION)]
    for name in CLASSES:
        found = connector_class(name)
        parts += _section(f"`{name}`, a {found.type.value}", found.definition)
    return "\n".join(parts)


def _section(title: str, definition: ConfigDef) -> Iterator[str]:
    yield f"## {title}\n"
    for group in dict.fromkeys(key.group for key in definition.keys.values()):
        yield f"### {group}\n"
        yield "| key | type | default | valid | importance | what it is |\n|---|---|---|---|---|---|"
        yield from (_row(key) for key in definition.keys.values() if key.group == group)
        yield ""


def _row(key: Key) -> str:
    cells = (f"`{key.name}`", key.type.value, _default(key), key.valid, key.importance.value.lower(), key.doc)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(key: Key) -> str:
    if key.default is REQUIRED:
        return "required"
    if key.default is None or key.default == ():
        return "(none)"
    if isinstance(key.default, tuple):
        return ", ".join(key.default)
    if key.type is Type.BOOLEAN:
        return str(key.default).lower()
    return f"{key.default:g}" if isinstance(key.default, float) else str(key.default)


if __name__ == "__main__":
    click.echo(page(), nl=False)
