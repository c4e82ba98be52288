"""`byoc connect`: the REST answers that tools rely on, and one clear message for every kind of wrong input."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from connectors.config.definition import HIDDEN
from connectors.runtime.rest import RestServer
from connectors.runtime.worker import Worker
from schemas.topics import Topics
from tests.support.kafka import TestBroker
from tests.support.simulator import RunningSimulator, running_simulator
from tests.support.sinks import eventually
from tests.support.source import (
    NAME,
    connect_process,
    failing_connect,
    mirrored,
    source_config,
    source_worker,
    worker_properties,
)

pytestmark = pytest.mark.broker


@pytest.fixture
async def sim():
    async with running_simulator(keepalive_s=30) as simulator:
        yield simulator


class Rest:
    """GET on a worker's REST API."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def get(self, path: str):
        async with self._session.get(self.url + path) as response:
            return response.status, await response.json()

    async def text(self, path: str) -> str:
        async with self._session.get(self.url + path) as response:
            return await response.text()


@pytest.fixture
async def rest(kafka, catalogue, sim) -> AsyncIterator[Rest]:
    """A worker with one source connector that has mirrored one event."""
    worker = Worker(source_worker(kafka.bootstrap_servers, catalogue))
    worker.add(NAME, source_config(sim))
    server = RestServer(worker, host="127.0.0.1", port=0, kafka_cluster_id="the-cluster", has_started=lambda: True)
    host, port = await server.start()
    sim.publish_message("c1", "hello")
    worker.start()
    try:
        await asyncio.wait_for(worker.settled(), 60)
        await eventually(lambda: len(mirrored(kafka, catalogue)) == 1, "the event")
        async with aiohttp.ClientSession() as session:
            yield Rest(session, f"http://{host}:{port}")
    finally:
        await worker.stop()
        await server.stop()


async def test_the_worker_answers_as_kafka_connect_does(rest, sim):
    worker_id = rest.url.removeprefix("http://")
    config = source_config(sim, salesforce_client_secret=HIDDEN)
    status = {
        "name": NAME,
        "connector": {"state": "RUNNING", "worker_id": worker_id},
        "tasks": [{"id": 0, "state": "RUNNING", "worker_id": worker_id}],
        "type": "source",
    }
    info = {"name": NAME, "config": config, "tasks": [{"connector": NAME, "task": 0}], "type": "source"}
    code, root = await rest.get("/")
    assert (code, root["kafka_cluster_id"]) == (200, "the-cluster")
    assert int(root["version"].split(".")[0]) >= 4
    assert await rest.get("/connectors") == (200, [NAME])
    assert await rest.get("/connectors/") == (200, [NAME])
    assert await rest.get("/connectors?expand=status&expand=info&expand=nonsense") == (
        200,
        {NAME: {"status": status, "info": info}},
    )
    assert await rest.get(f"/connectors/{NAME}") == (200, info)
    assert await rest.get(f"/connectors/{NAME}/config") == (200, config)
    assert await rest.get(f"/connectors/{NAME}/status") == (200, status)
    assert await rest.get(f"/connectors/{NAME}/tasks") == (
        200,
        [{"id": {"connector": NAME, "task": 0}, "config": config}],
    )
    assert await rest.get(f"/connectors/{NAME}/tasks/0/status") == (
        200,
        {"id": 0, "state": "RUNNING", "worker_id": worker_id},
    )


async def test_offsets_are_shown_in_the_shape_that_they_can_be_patched_in(rest, sim):
    code, body = await rest.get(f"/connectors/{NAME}/offsets")
    (offset,) = body["offsets"]
    assert code == 200
    assert offset["partition"] == {"topic": sim.topic}
    assert offset["offset"]["replayId"]


@pytest.mark.parametrize(
    "path",
    [
        "/connectors/nosuch",
        "/connectors/nosuch/status",
        "/connectors/nosuch/offsets",
        f"/connectors/{NAME}/tasks/7/status",
        f"/connectors/{NAME}/tasks/x/status",
        "/permissions",
        "/connectors/a%0d%0ab",
    ],
)
async def test_what_does_not_exist_is_404_with_connects_error_body(rest, path):
    code, body = await rest.get(path)
    assert code == 404
    assert set(body) == {"error_code", "message"}
    assert body["error_code"] == 404
    assert body["message"]


async def test_metrics_count_what_was_mirrored_without_naming_anybody(rest):
    text = await rest.text("/metrics")
    assert f'kafka_connect_source_task_source_record_write_total{{connector="{NAME}",task="0"}}' in text
    assert "c1" not in [word for line in text.splitlines() for word in line.split('"')]


async def test_health_says_when_the_worker_has_started(kafka, catalogue):
    worker = Worker(source_worker(kafka.bootstrap_servers, catalogue))
    started = asyncio.Event()
    server = RestServer(worker, host="127.0.0.1", port=0, kafka_cluster_id="x", has_started=started.is_set)
    host, port = await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            rest = Rest(session, f"http://{host}:{port}")
            assert (await rest.get("/health"))[0] == 503
            started.set()
            code, body = await rest.get("/health")
            assert (code, body["status"]) == (200, "healthy")
    finally:
        await server.stop()


async def test_a_failed_task_shows_its_message_and_leaves_the_worker_up(kafka, catalogue, sim):
    worker = Worker(source_worker(kafka.bootstrap_servers, catalogue))
    worker.add("wrong", source_config(sim, name="wrong", salesforce_topics="/event/NoSuch__e"))
    worker.add(NAME, source_config(sim))
    server = RestServer(worker, host="127.0.0.1", port=0, kafka_cluster_id="x", has_started=lambda: True)
    host, port = await server.start()
    worker.start()
    try:
        await asyncio.wait_for(worker.settled(), 60)
        async with aiohttp.ClientSession() as session:
            rest = Rest(session, f"http://{host}:{port}")
            _, body = await rest.get("/connectors?expand=status")
            (failed,) = body["wrong"]["status"]["tasks"]
            assert failed["state"] == "FAILED"
            assert "/event/NoSuch__e" in failed["trace"]
            assert "Traceback" not in failed["trace"]
            assert body[NAME]["status"]["tasks"][0]["state"] == "RUNNING"
    finally:
        await worker.stop()
        await server.stop()


async def raw_status(url: str, headers: str) -> tuple[int, str]:
    """What a request with exactly these headers is answered: status and body."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"GET /connectors HTTP/1.1\r\n{headers}Connection: close\r\n\r\n".encode())
        answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    finally:
        writer.close()
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


async def test_a_request_that_was_meant_for_another_host_is_refused(rest):
    _, port = rest.url.removeprefix("http://").split(":")
    for ours in (f"127.0.0.1:{port}", "localhost", f"[::1]:{port}"):
        assert (await raw_status(rest.url, f"Host: {ours}\r\n"))[0] == 200
    for others in (f"Host: evil.example:{port}\r\n", f"Host: localhost\r\nHost: evil.example:{port}\r\n"):
        code, body = await raw_status(rest.url, others)
        assert (code, NAME in body) in ((421, False), (400, False)), others
    assert "rest.allowed.hosts" in (await raw_status(rest.url, f"Host: evil.example:{port}\r\n"))[1]
    async with aiohttp.ClientSession() as session:
        for path in ("/health", "/metrics", "/connectors?expand=info", "/nosuch"):
            async with session.get(rest.url + path, headers={"Host": "evil.example"}) as answer:
                assert answer.status == 421, path


async def test_a_worker_on_all_addresses_answers_by_address_and_by_its_allowed_names(kafka, catalogue):
    worker = Worker(source_worker(kafka.bootstrap_servers, catalogue))
    server = RestServer(
        worker, host="0.0.0.0", port=0, kafka_cluster_id="x", has_started=lambda: True, allowed_hosts=("connect",)
    )
    _, port = await server.start()
    try:
        statuses = {
            host: (await raw_status(f"http://127.0.0.1:{port}", f"Host: {host}:{port}\r\n"))[0]
            for host in ("10.1.2.3", "connect", "localhost", "evil.example")
        }
        assert statuses == {"10.1.2.3": 200, "connect": 200, "localhost": 200, "evil.example": 421}
    finally:
        await server.stop()


# -- the command


async def test_the_command_serves_mirrors_and_stops_in_order(kafka, catalogue, sim, tmp_path):
    sim.publish_message("c1", "hello")
    worker = worker_properties(kafka.bootstrap_servers, catalogue)
    async with connect_process(tmp_path, worker, source_config(sim)) as process, aiohttp.ClientSession() as session:
        code, body = await Rest(session, process.rest_url).get("/health")
        assert (code, body["status"]) == (200, "healthy")
        await eventually(lambda: len(mirrored(kafka, catalogue)) == 1, "the event")
        assert await process.stop() == 0


def taken_port() -> tuple[socket.socket, str]:
    listening = socket.create_server(("127.0.0.1", 0))
    return listening, str(listening.getsockname()[1])


WRONG_INPUT = [
    pytest.param({"bootstrap.servers": "127.0.0.1:1"}, {}, "bootstrap.servers", id="Kafka address"),
    pytest.param(
        {},
        {"salesforce.pubsub.endpoint": "127.0.0.1:1", "start.timeout.s": "0.5"},
        "salesforce.pubsub.endpoint",
        id="Pub/Sub address",
    ),
    pytest.param(
        {},
        {"salesforce.login.url": "http://127.0.0.1:1", "start.timeout.s": "0.5"},
        "salesforce.login.url",
        id="login URL",
    ),
    pytest.param({}, {"salesforce.client.secret": "wrong"}, "salesforce.client.id", id="credentials"),
    pytest.param({}, {"salesforce.topics": "/event/NoSuch__e"}, "/event/NoSuch__e", id="Salesforce topic"),
    pytest.param({}, {"kafka.topic": "nosuch"}, "nosuch do not exist", id="Kafka topic"),
    pytest.param({}, {"connector.class": "NoSuch"}, "available connectors are", id="connector class"),
    pytest.param({}, {"replay.preset": "middle"}, "replay.preset", id="configuration value"),
]


@pytest.mark.parametrize(("worker", "connector", "named"), WRONG_INPUT)
async def test_wrong_input_ends_the_command_with_one_clear_message(
    kafka: TestBroker, catalogue: Topics, sim: RunningSimulator, tmp_path, worker, connector, named
):
    properties = {**worker_properties(kafka.bootstrap_servers, catalogue), **worker}
    code, stderr = await failing_connect(tmp_path, properties, {**source_config(sim), **connector})
    assert code == 1
    assert named in stderr
    assert "Traceback" not in stderr
    assert [line.startswith("Error: ") for line in stderr.splitlines()].count(True) == 1
    assert "byoc-simulator-secret" not in stderr


async def test_a_port_that_is_taken_ends_the_command_with_one_clear_message(kafka, catalogue, sim, tmp_path):
    listening, port = taken_port()
    with listening:
        properties = worker_properties(kafka.bootstrap_servers, catalogue, rest_port=port)
        code, stderr = await failing_connect(tmp_path, properties, source_config(sim))
    assert code == 1
    assert f"127.0.0.1:{port}" in stderr
    assert "rest.port" in stderr
    assert "Traceback" not in stderr


async def test_an_offsets_topic_that_forgets_is_refused(kafka, catalogue, sim, tmp_path):
    topic = kafka.create_topic(f"{catalogue.prefix}-forgetful", 1, {"cleanup.policy": "delete"})
    properties = worker_properties(kafka.bootstrap_servers, catalogue, offset_storage_topic=topic)
    code, stderr = await failing_connect(tmp_path, properties, source_config(sim))
    assert code == 1
    assert "cleanup.policy is delete" in stderr


async def test_an_offsets_topic_that_is_missing_is_created_compacted(kafka, catalogue, sim, tmp_path):
    topic = f"{catalogue.prefix}-new-offsets"
    kafka.delete_on_exit(topic)
    properties = worker_properties(kafka.bootstrap_servers, catalogue, offset_storage_topic=topic)
    async with connect_process(tmp_path, properties, source_config(sim)) as process:
        assert await process.stop() == 0
    assert len(kafka.end_offsets(topic)) == 25
