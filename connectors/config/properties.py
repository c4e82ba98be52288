"""Configuration files: Java .properties, and the JSON documents of Kafka Connect's REST API. Pure.

Both become a flat map of strings. A line of .properties is `key=value`, `key: value` or `key value`; `#` and `!` begin
comments; a backslash at the end of a line continues it; there are escapes (`\\:`, `\\t`, `\\u00e9`). Java keeps blanks
at the end of a value; here they are dropped, because they are always a mistake.
"""

import json
import re

from connectors.errors import ConfigError

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_SEPARATOR = re.compile(r"(?<!\\)(?:\\\\)*[ \t\f]*[=:]|(?<!\\)(?:\\\\)*[ \t\f]+")


def parse_properties(text: str) -> dict[str, str]:
    """The keys and values of a .properties text. A key that comes twice has its last value, as in Java."""
    found = {}
    for line in _logical_lines(text):
        split = _SEPARATOR.search(line)
        key, value = (line, "") if split is None else (line[: split.start()], line[split.end() :])
        if split is not None and split.group().strip(" \t\f") == "":
            value = value.removeprefix("=").removeprefix(":")
        found[_unescaped(key)] = _unescaped(value.lstrip(" \t\f")).rstrip()
    return found


def parse_connector(text: str, file_name: str) -> tuple[str, dict[str, str]]:
    """Name and configuration of a connector: .properties with `name`, or JSON `{"name", "config"}`, or a flat JSON map.

    Raises `ConfigError` naming the file.
    """
    config = parse_properties(text) if not text.lstrip().startswith("{") else _json_config(text, file_name)
    name = config.get("name", "").strip()
    if not name:
        raise ConfigError(f'reading connector file {file_name}: Missing required configuration "name"')
    return name, config


def _json_config(text: str, file_name: str) -> dict[str, str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"reading connector file {file_name}: no valid JSON ({error})") from error
    config = document
    if isinstance(document.get("config"), dict):
        config = {**document["config"], **({"name": document["name"]} if "name" in document else {})}
    if not all(isinstance(value, str | int | float | bool) for value in config.values()):
        raise ConfigError(f"reading connector file {file_name}: values must be strings, numbers or booleans")
    return {key: _as_text(value) for key, value in config.items()}


def _as_text(value: str | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _logical_lines(text: str) -> list[str]:
    lines, held = [], ""
    for raw in text.splitlines():
        line = raw.lstrip(" \t\f")
        if not held and (not line or line[0] in "#!"):
            continue
        trailing = len(line) - len(line.rstrip("\\"))
        if trailing % 2:
            held += line[:-1]
            continue
        lines.append(held + line)
        held = ""
    if held:
        lines.append(held)
    return lines


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    unescaped = re.sub(r"\\(u[0-9a-fA-F]{4}|.)", one, text)
    # as Java writes it, a character beyond 16 bits is two escapes; half of one is no text, and nothing could send it
    return unescaped.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
