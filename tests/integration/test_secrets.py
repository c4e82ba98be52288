"""Secrets of a worker: in no answer of any endpoint, no log line, metric or trace, whoever sends them back."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPMethod

import aiohttp
import pytest

from connectors.config.definition import HIDDEN, Type
from connectors.config.providers import ConfigProviders, Redaction
from connectors.errors import RetriableError
from connectors.runtime.registry import CLASSES, connector_class
from connectors.runtime.rest import RestServer
from connectors.runtime.worker import Worker
from connectors.runtime.worker_config import DEFINITION
from schemas.process.log_lines import FieldFormatter
from schemas.topics import Topics
from tests.support.scripted_http import Reply, ScriptedServer, scripted_server
from tests.support.source import failing_connect, source_worker, worker_properties

pytestmark = pytest.mark.broker

CANARY = "canary-7f3a"
REFERENCE = "${env:CLIENT_SECRET}"


class _Variables:
    def get(self, path: str, key: str) -> str:
        return f"{CANARY}-referenced"


def configurations(login: str) -> dict[str, dict[str, str]]:
    """A connector of each class, with a canary in every key of type PASSWORD that it takes, and in a mistyped key."""
    salesforce = {
        "salesforce.login.url": login,
        "salesforce.client.id": "app",
        "salesforce.client.secret": f"{CANARY} of the app/+",
        "salesforce.proxy.password": f"{CANARY}-proxy",
        "salesforce.private.key": f"-----BEGIN X-----\n{CANARY}-a-line-of-the-key\n-----END X-----",
    }
    source = {
        "connector.class": "PubSubSource",
        "salesforce.pubsub.endpoint": "127.0.0.1:1",
        "salesforce.pubsub.tls": "false",
        "salesforce.topics": "/event/X__e",
        "value.converter.basic.auth.user.info": f"user:{CANARY}-registry",
        "salesforce.client.sceret": f"{CANARY}-mistyped",
        "start.timeout.s": "5",
        **salesforce,
    }
    interaction = {
        "connector.class": "InteractionSink",
        "salesforce.api.url": f"{login}/api/v1",
        "salesforce.authorization.context": "X",
        **salesforce,
    }
    webhook = {
        "connector.class": "WebhookSink",
        "webhook.url": f"{login}/deliveries",
        "webhook.secret": "whsec_Y2FuYXJ5LTdmM2EtY2FuYXJ5LTdmM2EtY2FuYXJ5",
    }
    referenced = {**source, "salesforce.client.secret": REFERENCE}
    made = {"source": source, "interaction": interaction, "webhook": webhook, "referenced": referenced}
    return {name: {"name": name, **config} for name, config in made.items()}


SECRETS = (CANARY, "Y2FuYXJ5")


@dataclass
class Running:
    """A worker whose logins are refused by a server that quotes what it was sent."""

    url: str
    routes: list[str]
    log: io.StringIO
    configurations: dict[str, dict[str, str]]


@pytest.fixture
async def login() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        said = f"{CANARY} of the app/+ and {CANARY}-referenced, {CANARY}+of+the+app%2F%2B\n2026 ERROR forged"
        body = json.dumps({"error": "invalid_client", "error_description": said}).encode()
        server.script(Reply(400, body, {"Content-Type": "application/json"}))
        yield server


@pytest.fixture
async def running(kafka, catalogue: Topics, login: ScriptedServer) -> AsyncIterator[Running]:
    redaction, log = Redaction(), io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(FieldFormatter(redaction))
    logging.root.addHandler(handler)
    before = logging.root.level
    logging.root.setLevel(logging.DEBUG)
    worker = Worker(
        source_worker(kafka.bootstrap_servers, catalogue), ConfigProviders({"env": _Variables()}), redaction
    )
    made = configurations(login.url.rstrip("/"))
    for name, config in made.items():
        worker.add(name, config)
    server = RestServer(worker, host="127.0.0.1", port=0, kafka_cluster_id="x", has_started=lambda: True)
    host, port = await server.start()
    worker.start()
    try:
        await asyncio.wait_for(worker.failure(), 60)
        yield Running(f"http://{host}:{port}", list(server._routes()), log, made)
    finally:
        await worker.stop()
        await server.stop()
        logging.root.removeHandler(handler)
        logging.root.setLevel(before)


def assert_clean(text: str, what: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == [], what


async def test_no_endpoint_metric_trace_or_log_line_shows_a_secret(running: Running):
    paths = [
        route.format(connector=name, task=0) + query
        for route in running.routes
        for name in (running.configurations if "{" in route else ["-"])
        for query in ("", "?expand=info&expand=status", "?expand=info")
    ]
    assert len(paths) > 40
    async with aiohttp.ClientSession() as session:
        for path in paths:
            async with session.get(running.url + path) as answer:
                assert_clean(f"{dict(answer.headers)} {await answer.text()}", path)
        async with session.get(f"{running.url}/connectors?expand=info&expand=status") as answer:
            found = await answer.json()
    shown = {name: each["info"]["config"] for name, each in found.items()}
    assert shown["source"]["salesforce.client.secret"] == HIDDEN
    assert shown["source"]["salesforce.client.sceret"] == HIDDEN
    assert shown["source"]["salesforce.client.id"] == "app"
    assert shown["referenced"]["salesforce.client.secret"] == REFERENCE
    traces = [task["trace"] for each in found.values() for task in each["status"]["tasks"] if "trace" in task]
    assert any("invalid_client" in trace and HIDDEN in trace for trace in traces)
    assert_clean(running.log.getvalue(), "log")
    assert "task failed" in running.log.getvalue()
    assert not any(line.startswith("2026 ERROR forged") for line in running.log.getvalue().splitlines())


@pytest.mark.parametrize("method", [HTTPMethod.PUT, HTTPMethod.POST, HTTPMethod.PATCH, HTTPMethod.DELETE])
async def test_a_configuration_that_is_sent_is_not_echoed(running: Running, method: HTTPMethod):
    async with aiohttp.ClientSession() as session:
        for path in ("/connectors", "/connectors/source/config", "/connector-plugins/PubSubSource/config/validate"):
            sent = running.configurations["source"]
            async with session.request(method, running.url + path, json=sent) as answer:
                assert answer.status in (404, 405)
                assert_clean(await answer.text(), path)
    assert_clean(running.log.getvalue(), "log")


async def test_an_error_that_quotes_a_secret_is_answered_without_it(running: Running, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise RetriableError(f"reading with {CANARY} of the app/+ at http://me:{CANARY}@h/")

    monkeypatch.setattr("connectors.runtime.rest.read_offsets", refuse)
    async with aiohttp.ClientSession() as session, session.get(f"{running.url}/connectors/source/offsets") as answer:
        assert answer.status == 500
        text = await answer.text()
        assert "reading with [hidden]" in text
        assert_clean(text, "offsets")


@pytest.mark.parametrize("name", CLASSES)
def test_what_was_read_is_refused_when_it_comes_back(name: str):
    made = connector_class(name)
    passwords = [key for key in made.definition.keys.values() if key.type is Type.PASSWORD]
    assert passwords
    for key in passwords:
        with pytest.raises(Exception, match=rf"Invalid value \[hidden\] for configuration {key.name}: that is how"):
            made.definition.parse({key.name: HIDDEN}, "connector x")


WRONG = [
    pytest.param({"salesforce.client.secret": f"{CANARY}${{nope:x}}"}, "nope", id="reference that is not there"),
    pytest.param({"salesforce.client.secret": f"{CANARY}-s", "replay.preset": "x"}, "replay.preset", id="another key"),
    pytest.param({"salesforce.login.url": f"ftp://me:{CANARY}@h"}, "salesforce.login.url", id="URL with userinfo"),
    pytest.param({"salesforce.login.url": f"http://me:{CANARY}@127.0.0.1:1"}, "salesforce.login.url", id="login URL"),
    pytest.param({"salesforce.topics": f"http://me:{CANARY}@h\\nERROR"}, "salesforce.topics", id="URL elsewhere"),
]


@pytest.mark.parametrize(("keys", "named"), WRONG)
async def test_no_message_of_the_command_shows_a_secret(kafka, catalogue, login, tmp_path, keys, named):
    config = {**configurations(login.url.rstrip("/"))["source"], "name": "source", **keys}
    del config["salesforce.private.key"]  # the lines of a key do not fit into this test's way of writing files
    properties = {**worker_properties(kafka.bootstrap_servers, catalogue), "ssl.key.password": f"{CANARY}-worker"}
    code, stderr = await failing_connect(tmp_path, properties, config)
    assert code == 1
    assert named in stderr
    assert_clean(stderr, "stderr")
    assert "Traceback" not in stderr


def test_secrets_of_the_kafka_client_are_learned_from_the_worker_file():
    redaction = Redaction()
    properties = {"bootstrap.servers": "kafka:9092", "sasl.password": "s3cr3t", "ssl.key.pem": "PEM-of-a-key"}
    redaction.learn(properties, DEFINITION)
    assert redaction("at kafka:9092: s3cr3t, PEM-of-a-key") == "at kafka:9092: [hidden], [hidden]"
