"""The configuration keys of a Salesforce login, and what is made of them, for the source and the sinks.

A login flow is a class in `auth.py`, a row in `FLOWS`, and the keys that it needs in `LOGIN_KEYS`.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from connectors.config.addresses import http_url_without_credentials
from connectors.config.definition import ConfigDef, Importance, Key, Type, Values, invalid, non_empty, one_of
from connectors.salesforce.auth import ClientCredentials, JwtBearer, LoginFlow
from connectors.salesforce.network import NetworkSettings, Proxy

_SALESFORCE: Final = "Salesforce"


def _proxy_url(value: Any) -> str | None:
    return http_url_without_credentials(value) if value.startswith("http://") else "must start with http://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One value of `salesforce.auth.flow`: the keys it needs, each or one of several, and how its login is made."""

    needs: tuple[tuple[str, ...], ...]
    login: Callable[[Values], LoginFlow]


def _client_credentials(values: Values) -> LoginFlow:
    return ClientCredentials(
        login_url=values.string("salesforce.login.url"),
        client_id=values.string("salesforce.client.id"),
        client_secret=values.password("salesforce.client.secret"),
    )


def _jwt_bearer(values: Values) -> LoginFlow:
    key = values.optional_password("salesforce.private.key")
    return JwtBearer(
        login_url=values.string("salesforce.login.url"),
        client_id=values.string("salesforce.client.id"),
        username=values.string("salesforce.username"),
        private_key=Path(values.string("salesforce.private.key.file")) if key is None else key,
        audience=values.optional_string("salesforce.jwt.audience"),
    )


FLOWS: Final = {
    "client_credentials": Flow(needs=(("salesforce.client.secret",),), login=_client_credentials),
    "jwt_bearer": Flow(
        needs=(("salesforce.username",), ("salesforce.private.key.file", "salesforce.private.key")), login=_jwt_bearer
    ),
}
LOGIN_KEYS: Final = ConfigDef(
    Key(
        "salesforce.login.url",
        doc="My Domain URL of the org: where tokens come from.",
        importance=Importance.HIGH,
        check=http_url_without_credentials,
        group=_SALESFORCE,
    ),
    Key(
        "salesforce.ca.file",
        doc="PEM certificates to trust instead of the system's, for all connections to Salesforce.",
        default=None,
        importance=Importance.LOW,
        group=_SALESFORCE,
    ),
    Key(
        "salesforce.auth.flow",
        doc="client_credentials needs salesforce.client.secret; jwt_bearer needs username and private key.",
        default="client_credentials",
        check=one_of(*FLOWS),
        group=_SALESFORCE,
    ),
    Key(
        "salesforce.client.id",
        doc="Consumer key of the connected app.",
        importance=Importance.HIGH,
        check=non_empty,
        group=_SALESFORCE,
    ),
    Key(
        "salesforce.client.secret",
        Type.PASSWORD,
        doc="Consumer secret (client_credentials).",
        default=None,
        importance=Importance.HIGH,
        group=_SALESFORCE,
    ),
    Key("salesforce.username", doc="Integration user (jwt_bearer).", default=None, group=_SALESFORCE),
    Key(
        "salesforce.jwt.audience",
        doc="Whom the assertion is for, `aud`; salesforce.login.url when absent (jwt_bearer).",
        default=None,
        importance=Importance.LOW,
        check=non_empty,
        group=_SALESFORCE,
    ),
    Key(
        "salesforce.private.key.file",
        doc="PEM file with the RSA key of the connected app's certificate (jwt_bearer).",
        default=None,
        group=_SALESFORCE,
    ),
    Key(
        "salesforce.private.key",
        Type.PASSWORD,
        doc="The key itself instead of its file, for ${dir:…} and ${file:…} (jwt_bearer).",
        default=None,
        group=_SALESFORCE,
    ),
    Key(
        "salesforce.proxy.url",
        doc="HTTP proxy for all connections to Salesforce, http://host:port; else https_proxy and no_proxy count.",
        default=None,
        check=_proxy_url,
        group=_SALESFORCE,
    ),
    Key(
        "salesforce.proxy.user",
        doc="User name for the proxy (Basic).",
        default=None,
        importance=Importance.LOW,
        group=_SALESFORCE,
    ),
    Key(
        "salesforce.proxy.password",
        Type.PASSWORD,
        doc="Password for the proxy.",
        default=None,
        importance=Importance.LOW,
        group=_SALESFORCE,
    ),
)


def login_of(subject: str, values: Values) -> LoginFlow:
    """The login of the flow that is chosen. Raises `ConfigError` naming what the flow still needs."""
    name = values.string("salesforce.auth.flow")
    flow = FLOWS[name]
    missing = [keys for keys in flow.needs if not any(_given(values, key) for key in keys)]
    if missing:
        raise invalid(
            subject,
            [
                f'Missing required configuration "{keys[0]}": salesforce.auth.flow={name} needs it'
                + "".join(f", or {other}" for other in keys[1:])
                for keys in missing
            ],
        )
    return flow.login(values)


def network_of(subject: str, values: Values) -> NetworkSettings:
    """How Salesforce is reached. Raises `ConfigError` for a file of certificates that cannot be used."""
    return NetworkSettings(proxy=_proxy(values), ca=certificates_of(subject, values, "salesforce.ca.file"))


def _proxy(values: Values) -> Proxy | None:
    url = values.optional_string("salesforce.proxy.url")
    if url is None:
        return None
    return Proxy(
        url=url,
        user=values.optional_string("salesforce.proxy.user"),
        password=values.optional_password("salesforce.proxy.password"),
    )


def certificates_of(subject: str, values: Values, key: str) -> bytes | None:
    """The PEM certificates in the file that a key names, None without one. Raises `ConfigError` naming the key."""
    file = values.optional_string(key)
    if file is None:
        return None
    try:
        pem = Path(file).read_bytes()
        ssl.create_default_context(cadata=pem.decode("ascii"))
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise invalid(subject, [f"Invalid value {file} for configuration {key}: {error}"]) from error
    return pem


def _given(values: Values, key: str) -> bool:
    found = values.optional_password(key)
    return found is not None and bool(found.reveal())
