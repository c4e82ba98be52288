"""How the source gets to Salesforce: proxies, own certificates, logins, and secrets that stand elsewhere."""

import asyncio

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.config.providers import providers_of
from connectors.errors import TaskFailed
from connectors.runtime.worker import Worker
from schemas.topics import Topics
from simulator.faults.fault import RevokeTokens
from tests.support.connect_proxy import connect_proxy
from tests.support.kafka import TestBroker
from tests.support.simulator import RunningSimulator, running_simulator
from tests.support.sinks import eventually, running
from tests.support.source import (
    NAME,
    connect_process,
    failing_connect,
    mirrored_ids,
    source_config,
    source_task,
    source_worker,
    worker_properties,
)

pytestmark = pytest.mark.broker


@pytest.fixture
async def tls_sim(tmp_path):
    async with running_simulator(keepalive_s=30, tls_dir=tmp_path / "tls") as simulator:
        yield simulator


@pytest.fixture
async def sim():
    async with running_simulator(keepalive_s=30) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def key_pem() -> bytes:
    """A private key in PEM form."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture
async def jwt_sim(key_pem):
    key = serialization.load_pem_private_key(key_pem, None)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    async with running_simulator(keepalive_s=30, public_key_pem=public.decode()) as simulator:
        yield simulator


def trusting(sim: RunningSimulator) -> dict[str, str]:
    """Keys for TLS with the simulator's own CA."""
    assert sim.simulator.identity is not None
    return {"salesforce_pubsub_tls": "true", "salesforce_ca_file": str(sim.simulator.identity.ca_file)}


def publish(sim: RunningSimulator, count: int) -> list[str]:
    return [sim.publish_message("c1", f"hello {number}").event_uuid for number in range(count)]


async def mirrors(kafka: TestBroker, topics: Topics, sim: RunningSimulator, **keys: str) -> None:
    """What is published before and after the start arrives once, in order."""
    sent = publish(sim, 5)
    async with running(source_task(kafka.bootstrap_servers, topics, sim, **keys)):
        sent += publish(sim, 5)
        await eventually(lambda: len(mirrored_ids(kafka, topics)) >= 10, "the events")
    assert mirrored_ids(kafka, topics) == sent


async def failure(kafka: TestBroker, topics: Topics, sim: RunningSimulator, **keys: str) -> str:
    task = source_task(kafka.bootstrap_servers, topics, sim, **{"start_timeout_s": "1", **keys})
    with pytest.raises(TaskFailed) as caught:
        await asyncio.wait_for(task.run(lambda: None), 60)
    return str(caught.value)


async def test_an_own_ca_is_trusted_for_grpc_and_for_the_login(kafka, catalogue, tls_sim):
    await mirrors(kafka, catalogue, tls_sim, **trusting(tls_sim))


async def test_without_the_ca_nothing_is_sent(kafka, catalogue, tls_sim):
    message = await failure(kafka, catalogue, tls_sim, salesforce_pubsub_tls="true")
    assert "asking for a Salesforce token" in message
    assert tls_sim.org.tokens.issued == 0


async def test_login_and_stream_go_through_the_proxy_and_only_through_it(kafka, catalogue, tls_sim):
    async with connect_proxy(("us er", "p@ss:w/rd")) as proxy:
        keys = {
            **trusting(tls_sim),
            "salesforce_proxy_url": proxy.url,
            "salesforce_proxy_user": "us er",
            "salesforce_proxy_password": "p@ss:w/rd",
        }
        await mirrors(kafka, catalogue, tls_sim, **keys)
        assert set(proxy.tunnels) == {tls_sim.grpc_address, tls_sim.simulator.http_address}
        assert proxy.refused == 0


async def test_a_proxy_that_lets_nobody_through_is_named_without_the_password(kafka, catalogue, tls_sim):
    async with connect_proxy(("user", "right")) as proxy:
        keys = {
            **trusting(tls_sim),
            "salesforce_proxy_url": proxy.url,
            "salesforce_proxy_user": "user",
            "salesforce_proxy_password": "wr0ng-word",
        }
        message = await failure(kafka, catalogue, tls_sim, **keys)
        assert proxy.refused
        assert proxy.tunnels == []
    assert "407" in message
    assert "wr0ng-word" not in message


@pytest.mark.parametrize("given", ["file", "value"])
async def test_a_jwt_bearer_login_is_renewed_when_its_token_is_refused(
    kafka, catalogue, jwt_sim, key_pem, tmp_path, given
):
    (tmp_path / "key.pem").write_bytes(key_pem)
    private = {
        "file": {"salesforce_private_key_file": str(tmp_path / "key.pem")},
        "value": {"salesforce_private_key": key_pem.decode()},
    }
    keys = {
        "salesforce_auth_flow": "jwt_bearer",
        "salesforce_username": jwt_sim.settings.username,
        "salesforce_client_secret": "",
        **private[given],
    }
    sent = publish(jwt_sim, 5)
    async with running(source_task(kafka.bootstrap_servers, catalogue, jwt_sim, **keys)):
        await eventually(lambda: len(mirrored_ids(kafka, catalogue)) == 5, "the events before")
        jwt_sim.org.order(RevokeTokens(cut=True))
        sent += publish(jwt_sim, 5)
        await eventually(lambda: len(mirrored_ids(kafka, catalogue)) == 10, "the events after")
    assert mirrored_ids(kafka, catalogue) == sent
    assert jwt_sim.org.tokens.issued == 2


async def test_a_key_that_does_not_belong_to_the_certificate_ends_the_task(kafka, catalogue, sim, key_pem):
    keys = {
        "salesforce_auth_flow": "jwt_bearer",
        "salesforce_username": sim.settings.username,
        "salesforce_private_key": key_pem.decode(),
    }
    message = await failure(kafka, catalogue, sim, **keys)
    assert "invalid_grant" in message
    assert "salesforce.client.id" in message
    assert key_pem.decode().splitlines()[1] not in message


async def test_a_secret_may_stand_in_a_file_and_is_shown_nowhere(kafka, catalogue, sim, tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "sf.properties").write_text(f"id={sim.client_id}\nsecret={sim.client_secret}\n")
    allowed = {
        "config.providers": "file",
        "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
        "config.providers.file.param.allowed.paths": str(secrets),
    }
    worker = {**worker_properties(kafka.bootstrap_servers, catalogue), **allowed}
    reference = f"${{file:{secrets}/sf.properties:secret}}"
    config = source_config(
        sim, salesforce_client_secret=reference, salesforce_client_id=f"${{file:{secrets}/sf.properties:id}}"
    )
    sent = publish(sim, 3)
    async with connect_process(tmp_path, worker, config) as process, aiohttp.ClientSession(process.rest_url) as http:
        await eventually(lambda: len(mirrored_ids(kafka, catalogue)) == 3, "the events")
        pages = []
        for path in (f"/connectors/{NAME}", "/connectors?expand=info&expand=status", f"/connectors/{NAME}/tasks"):
            async with http.get(path) as reply:
                pages.append(await reply.text())
        assert reference in pages[0]
        assert [page for page in pages if sim.client_secret in page or f'"{sim.client_id}"' in page] == []
    assert mirrored_ids(kafka, catalogue) == sent
    (secrets / "sf.properties").write_text(f"id={sim.client_id}\nsecret=expired-secret\n")
    code, stderr = await failing_connect(tmp_path, worker, config)
    assert code == 1
    assert "invalid_client" in stderr
    assert f"client_id=${{file:{secrets}/sf.properties:id}}" in stderr
    assert "expired-secret" not in stderr


async def test_the_trace_of_a_failed_task_shows_the_reference(kafka, catalogue, sim):
    allowed = {"config.providers": "env", "config.providers.env.param.allowlist.pattern": "SALESFORCE_.*"}
    providers = providers_of(allowed, {"SALESFORCE_ID": "an-id-that-is-nobodys"})
    worker = Worker(source_worker(kafka.bootstrap_servers, catalogue), providers)
    handle = worker.add(NAME, source_config(sim, salesforce_client_id="${env:SALESFORCE_ID}"))
    worker.start()
    try:
        message = await asyncio.wait_for(worker.failure(), 60)
    finally:
        await worker.stop()
    assert "client_id=${env:SALESFORCE_ID}" in message
    assert "an-id-that-is-nobodys" not in message + (handle.tasks[0].trace or "")
