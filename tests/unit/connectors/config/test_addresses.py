"""Addresses in a configuration: what cannot be called is named before anything starts, and no password is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.config.addresses import host_and_port, http_url, http_url_without_credentials
from connectors.errors import ConfigError
from connectors.pubsub.source import PubSubSource
from connectors.sinks.interaction.connector import InteractionSink
from connectors.sinks.webhook.connector import WebhookSink

GOOD = [
    "http://localhost",
    "https://partner.example/hooks?a=b@c",
    "https://partner.example:8443/",
    "http://127.0.0.1:1/x",
    "http://[::1]:8080/",
    "https://bücher.example/",
    "http://partner_channel:8080/",
]
BAD = [
    "",
    "partner.example",
    "ftp://partner.example",
    "https://",
    "https:///path",
    "https://p:abc/",
    "https://p:99999/",
    "https://p:0/",
    "https://p:-1/",
    "https://p:/",
    "https://:8080/",
    "http://[::1/",
    "http://::1]/",
    "http://a b/",
    "http://a\nb/",
    "http://a/\x00",
    "https://a..b/",
    "https://" + "a" * 64 + ".example/",
    "https://ex[ample/",
    "https://user:pass@/",
]


@pytest.mark.parametrize("url", GOOD)
def test_an_address_that_can_be_called_is_taken(url: str) -> None:
    assert http_url(url) is None


@pytest.mark.parametrize("url", BAD)
def test_an_address_that_cannot_be_called_is_refused(url: str) -> None:
    assert http_url(url)


@pytest.mark.parametrize(
    ("endpoint", "good"),
    [
        ("api.pubsub.salesforce.com:7443", True),
        ("127.0.0.1:1", True),
        ("[::1]:7443", True),
        ("simulator:7443", True),
        ("", False),
        ("host", False),
        (":7443", False),
        ("host:", False),
        ("host:abc", False),
        ("host:0", False),
        ("host:99999", False),
        ("host:7443/path", False),
        ("https://host:7443", False),
        ("user:word@host:7443", False),
        ("[::1:7443", False),
        ("a b:7443", False),
    ],
)
def test_an_endpoint_is_host_and_port(endpoint: str, good: bool) -> None:
    assert (host_and_port(endpoint) is None) is good


@given(st.text() | st.text().map("https://".__add__) | st.text("[]:@/?#%0aé.", max_size=12).map("http://".__add__))
def test_a_check_says_yes_or_what_is_wrong(text: str) -> None:
    for check in (http_url, http_url_without_credentials, host_and_port):
        assert check(text) is None or isinstance(check(text), str)


WEBHOOK = {"connector.class": "x", "name": "w", "webhook.secret": "whsec_" + "A" * 32}
LOGIN = {
    "connector.class": "x",
    "name": "i",
    "salesforce.login.url": "https://org.my.salesforce.com",
    "salesforce.client.id": "id",
    "salesforce.client.secret": "s3cret",
}
SERVICE = {"salesforce.authorization.context": "Channel", "salesforce.api.url": "https://x.example/api/v1"}
SOURCE = {"salesforce.topics": "/event/Order__e", "mode": "raw"}


@pytest.mark.parametrize(
    ("connector", "config", "key"),
    [
        (WebhookSink, WEBHOOK, "webhook.url"),
        (InteractionSink, LOGIN | SERVICE, "salesforce.api.url"),
        (InteractionSink, LOGIN | SERVICE, "salesforce.login.url"),
        (PubSubSource, LOGIN | SOURCE, "salesforce.login.url"),
        (PubSubSource, LOGIN | SOURCE, "salesforce.pubsub.endpoint"),
    ],
)
@pytest.mark.parametrize("value", ["https://", "https://us3r:w0rd@p:abc/", "http://[::1/", "http://us3r:w0rd@p:99999"])
def test_every_connector_names_key_and_value_and_shows_no_password(connector, config, key, value) -> None:
    with pytest.raises(ConfigError) as caught:
        connector("c", {**config, key: value})
    [problem] = caught.value.problems
    assert f"for configuration {key}: must " in problem
    assert "us3r" not in str(caught.value)
    assert "w0rd" not in str(caught.value)


@pytest.mark.parametrize(
    ("connector", "config", "key"),
    [
        (InteractionSink, LOGIN | SERVICE, "salesforce.api.url"),
        (InteractionSink, LOGIN | SERVICE, "salesforce.login.url"),
        (PubSubSource, LOGIN | SOURCE, "salesforce.login.url"),
        (PubSubSource, LOGIN | SOURCE, "salesforce.proxy.url"),
    ],
)
def test_an_address_of_salesforce_has_no_user_and_password(connector, config, key) -> None:
    url = "http://us3r:w0rd@org.example"
    with pytest.raises(ConfigError, match="must not hold user and password; they have keys of their own") as caught:
        connector("c", {**config, key: url})
    assert "w0rd" not in str(caught.value)


@pytest.mark.parametrize(
    ("final", "soon", "words"),
    [
        ("410, 4x", "", "4x is no status such as 410 and no class such as 4xx"),
        ("200", "", "200 says that the delivery has arrived"),
        ("", "2xx", "2xx says that the delivery has arrived"),
        ("404,410", "404", "webhook.statuses.final has it already"),
    ],
)
def test_statuses_that_cannot_be_meant_are_refused(final: str, soon: str, words: str) -> None:
    keys = {"webhook.statuses.final": final, "webhook.statuses.final.soon": soon, "webhook.url": "https://x.example"}
    with pytest.raises(ConfigError, match=words):
        WebhookSink("w", {**WEBHOOK, **keys})
