"""The local Kafka keeps its promises: data survives, it never outlives its owner, errors are clear."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from byoc.errors import BrokerError, LocalKafkaError, PortInUseError, ToolMissingError
from byoc.kafka import admin
from byoc.kafka.read import read_committed
from byoc.kafka.write import produce
from byoc.local_kafka.local import LocalKafka
from byoc.settings import Settings
from tests.support.kafka import TestBroker, Unique

pytestmark = pytest.mark.broker


def eventually(condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("end", [pytest.param("stop", id="stopped"), pytest.param("kill", id="killed with -9")])
def test_records_and_address_survive_a_restart(own_kafka: LocalKafka, end: str):
    address = own_kafka.bootstrap_servers
    admin.create_topics(address, Unique().topics.catalogue()[:1])
    topic = admin.topic_names(address)[0]
    produce(address, topic, [(b"key", b"before")])
    getattr(own_kafka, end)()
    assert own_kafka.pid is None
    assert not admin.answers(address, timeout_s=0.5)
    own_kafka.start()
    assert own_kafka.bootstrap_servers == address
    assert [m.value for m in read_committed(address, topic)] == [b"before"]


def test_a_paused_broker_answers_nothing_until_it_continues(own_kafka: LocalKafka):
    own_kafka.pause()
    assert not admin.answers(own_kafka.bootstrap_servers, timeout_s=0.5)
    own_kafka.resume()
    assert eventually(lambda: admin.answers(own_kafka.bootstrap_servers, timeout_s=2))


OWNER = """
import sys, threading, time
from byoc.local_kafka.local import LocalKafka
kafka = LocalKafka()
# Started from a thread that ends: the broker follows the process, not the thread.
thread = threading.Thread(target=kafka.start)
thread.start()
thread.join()
print(kafka.pid, kafka.guard_pid, kafka.directory, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("victim", "number"),
    [
        pytest.param("owner", signal.SIGKILL, id="owner killed"),
        pytest.param("owner", signal.SIGTERM, id="owner terminated"),
        pytest.param("guard", signal.SIGKILL, id="guard killed"),
    ],
)
def test_the_broker_ends_with_its_owner(session_kafka: str, victim: str, number: signal.Signals):
    if victim == "guard" and not sys.platform.startswith("linux"):
        pytest.skip("only Linux ends a child with its parent")
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        broker_pid, guard_pid, folder = owner.stdout.readline().split()
        broker = psutil.Process(int(broker_pid))
        assert broker.is_running()
        os.kill(owner.pid if victim == "owner" else int(guard_pid), number)
        try:
            assert eventually(lambda: not broker.is_running() or broker.status() == psutil.STATUS_ZOMBIE)
            # A guard that was killed can clean nothing up: that is left to the owner.
            assert victim == "guard" or eventually(lambda: not Path(folder).exists())
        finally:
            owner.kill()


def test_a_port_in_use_is_named_before_java_starts(session_kafka: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        kafka = LocalKafka(port=port)
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port}: the port is in use.*KAFKA_BOOTSTRAP_SERVERS"):
            kafka.start()
        kafka.close()


def test_broken_data_is_reported_with_the_log(session_kafka: str, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text("version=1\n")
    kafka = LocalKafka(directory=tmp_path)
    with pytest.raises(LocalKafkaError, match=r"ended at once; the end of .*kafka\.log: .*(?i:node\.id|cluster\.id)"):
        kafka.start()
    kafka.close()


def test_no_java_names_the_alternatives(tmp_path):
    kafka = LocalKafka(settings=Settings(JAVA_HOME=tmp_path))
    with pytest.raises(ToolMissingError, match=r"no java in JAVA_HOME.*KAFKA_BOOTSTRAP_SERVERS.*docker compose up"):
        kafka.start()
    kafka.close()


def test_reading_a_topic_that_does_not_exist_says_so(kafka: TestBroker, unique: Unique):
    with pytest.raises(BrokerError, match=f"{unique.name('none')}.*Unknown topic"):
        kafka.read_committed(unique.name("none"))
