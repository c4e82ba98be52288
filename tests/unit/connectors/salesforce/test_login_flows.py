"""Login flows: each value of `salesforce.auth.flow` names the keys it needs, and makes its own login of them."""

from pathlib import Path

import pytest

from connectors.config.definition import Password
from connectors.errors import ConfigError
from connectors.salesforce.auth import ClientCredentials, JwtBearer
from connectors.salesforce.login_config import FLOWS, LOGIN_KEYS, login_of

COMMON = {"salesforce.login.url": "https://org.my.salesforce.com", "salesforce.client.id": "id-1"}
NAMES = {"login_url": "https://org.my.salesforce.com", "client_id": "id-1"}


def login(**keys):
    """The login of a configuration; in `keys` a `_` stands for a `.`."""
    config = {**COMMON, **{f"salesforce.{key.replace('_', '.')}": value for key, value in keys.items()}}
    return login_of("connector x", LOGIN_KEYS.parse(config, "connector x"))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param(
            {"client_secret": "s3cret"}, ClientCredentials(**NAMES, client_secret=Password("s3cret")), id="the default"
        ),
        pytest.param(
            {"auth_flow": "jwt_bearer", "username": "u@x", "private_key_file": "key.pem"},
            JwtBearer(**NAMES, username="u@x", private_key=Path("key.pem")),
            id="a key in a file",
        ),
        pytest.param(
            {"auth_flow": "jwt_bearer", "username": "u@x", "private_key": "PEM"},
            JwtBearer(**NAMES, username="u@x", private_key=Password("PEM")),
            id="a key as a value",
        ),
    ],
)
def test_each_flow_makes_its_login_of_its_keys(keys, expected):
    assert login(**keys) == expected


@pytest.mark.parametrize("name", FLOWS)
def test_every_key_that_a_flow_needs_is_declared_and_named_when_it_is_missing(name):
    with pytest.raises(ConfigError) as caught:
        login(auth_flow=name)
    needed = FLOWS[name].needs
    assert len(caught.value.problems) == len(needed)
    for keys, problem in zip(needed, caught.value.problems, strict=True):
        assert set(keys) <= set(LOGIN_KEYS.keys)
        assert all(key in problem for key in keys)


def test_an_empty_value_counts_as_missing():
    with pytest.raises(ConfigError, match=r"salesforce\.client\.secret"):
        login(client_secret="")


def test_a_flow_that_there_is_not_is_answered_with_those_that_there_are():
    with pytest.raises(ConfigError, match="must be one of client_credentials, jwt_bearer"):
        login(auth_flow="password")
