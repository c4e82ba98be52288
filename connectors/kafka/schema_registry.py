"""A schema registry, by the REST API that all registries answer. The client's own retries are off: callers retry."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from connectors.config.definition import Password
from connectors.errors import RetriableError, TerminalError

_TIMEOUT_S = 10.0
_ABOUT_THE_SCHEMA = frozenset({409, 422})  # incompatible, invalid


class SchemaRefused(Exception):
    """The registry does not accept this schema under this subject; it may accept others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """`url` is `https://host:port`, several separated by commas; `user_info` is `user:password`; `ca_file` is PEM."""

    url: str
    user_info: Password | None = None
    ca_file: str | None = None


class SchemaRegistry:
    """Registers schemas. Belongs to one event loop; the client blocks in threads."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Makes the client; nothing is sent yet."""
        self._url = settings.url
        options: dict[str, Any] = {"url": settings.url, "max.retries": 0, "timeout": _TIMEOUT_S}
        if settings.user_info is not None:
            options["basic.auth.user.info"] = settings.user_info.reveal()
        if settings.ca_file is not None:
            options["ssl.ca.location"] = settings.ca_file
        self._client: Any = SchemaRegistryClient(options)

    async def id_of(self, subject: str, schema: str, *, register: bool) -> int:
        """The id of an Avro schema under a subject. With `register` a schema that is not there is registered.

        Raises `SchemaRefused`; `RetriableError` when the registry does not answer or is overloaded; `TerminalError`
        when it refuses the request itself, for want of rights for example.
        """
        return await asyncio.to_thread(self._id_of, subject, Schema(schema, "AVRO"), register)

    def close(self) -> None:
        """Release the connections."""
        self._client.close()

    def _id_of(self, subject: str, schema: Any, register: bool) -> int:
        doing = f"{'registering' if register else 'looking up'} a schema under {subject} at {self._url}"
        try:
            if register:
                return int(self._client.register_schema(subject, schema))
            return int(self._client.lookup_schema(subject, schema).schema_id)
        except SchemaRegistryError as error:
            raise _translated(doing, error) from error
        except httpx2.HTTPError as error:
            raise RetriableError(
                f"{doing}: no answer ({type(error).__name__}); check value.converter.schema.registry.url"
            ) from error


def _translated(doing: str, error: Any) -> Exception:
    status = error.http_status_code
    what = f"{doing}: answered {status}, {error.error_message}"
    if status in _ABOUT_THE_SCHEMA:
        return SchemaRefused(
            f"{what}; set the compatibility of the subject to NONE, or another"
            " value.converter.value.subject.name.strategy"
        )
    if status == 404:  # only a look-up: registering makes the subject
        return SchemaRefused(f"{what}; register it, or set value.converter.auto.register.schemas to true")
    if status == 429 or status >= 500:
        return RetriableError(what)
    return TerminalError(f"{what}; check value.converter.schema.registry.url and value.converter.basic.auth.user.info")
