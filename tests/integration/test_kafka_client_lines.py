"""What librdkafka says comes as log lines of ours, from every client, and never raw to stderr."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from byoc.ports import free_port
from tests.support.kafka import TestBroker, Unique

ROOT = Path(__file__).parents[2]
RAW = re.compile(r"^%\d\|", re.MULTILINE)
OURS = r"^\d{4}-\d\d-\d\d \S+ (ERROR|CRITICAL|WARNING|INFO) librdkafka "

CLIENTS = {
    "streams: a producer": "from streams.runtime.kafka_client import KafkaTransactions as T\n"
    "t = T(bootstrap_servers=ADDRESS, transactional_id='t', group_id='g', partition=0)\n"
    "for _ in range(40): t.make_room()",
    "streams: a consumer": "from streams.runtime import kafka_client\nkafka_client._group_metadata(ADDRESS, 'g')",
    "streams: an admin": "from streams.runtime.kafka_client import check_topics\n"
    "check_topics(ADDRESS, ['t'], 1, timeout_s=0.5)",
    "connectors: an admin": "from connectors.kafka.admin import cluster_id\n"
    "cluster_id(bootstrap_servers=ADDRESS, timeout_s=0.5)",
    "connectors: a reader": "from connectors.kafka.offsets import read_offsets\n"
    "read_offsets(bootstrap_servers=ADDRESS, topic='t', connector='c', timeout_s=0.5)",
    "connectors: a transactional producer": "from connectors.kafka.producer import TransactionalProducer as T\n"
    "T(bootstrap_servers=ADDRESS, transactional_id='t').init(0.5)",
    "byoc: an admin": "from byoc.kafka.admin import answers\nanswers(ADDRESS, timeout_s=0.5)",
    "byoc: a producer": "from byoc.kafka import write\nwrite.ADMIN_TIMEOUT_S = 0.5\n"
    "write.produce(ADDRESS, 't', [(b'k', b'v')])",
}

# librdkafka's level is raised from "fatal alone" to all that a client says, so that each says something.
EVERY_LINE = """
import functools, confluent_kafka as ck, confluent_kafka.admin as admin
from schemas.process.log_lines import configure
configure("DEBUG")
def loud(made):
    return functools.wraps(made)(lambda conf, **more: made({**conf, "log_level": 7, "debug": "broker"}, **more))
ck.Producer, ck.Consumer, admin.AdminClient = loud(ck.Producer), loud(ck.Consumer), loud(admin.AdminClient)
"""


def stderr_of(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_whose_broker_refuses_writes_no_raw_line(client: str):
    address = f"ADDRESS = '127.0.0.1:{free_port()}'\n"
    said = stderr_of(EVERY_LINE + address + CLIENTS[client])
    assert not RAW.search(said), said


def test_a_producer_whose_broker_refuses_is_heard_in_log_lines():
    address = f"ADDRESS = '127.0.0.1:{free_port()}'\n"
    configured = "from schemas.process.log_lines import configure\nconfigure('WARNING')\n"
    said = stderr_of(configured + address + CLIENTS["streams: a producer"])
    assert re.search(OURS + ".*Connection refused", said, re.MULTILINE), said
    assert not RAW.search(said), said


FENCED = """
from schemas.process.log_lines import configure
configure("WARNING")
from {module} import {name} as Made
def made():
    return Made(bootstrap_servers={address!r}, transactional_id={id!r}, **{more})
first, second = made(), made()
{begin}
try:
    {write}
except Exception as error:
    print("fenced", type(error).__name__)
del first
"""
STREAMS = {
    "module": "streams.runtime.kafka_client",
    "name": "KafkaTransactions",
    "more": {"group_id": "g", "partition": 0},
    "begin": "first.initialise(); second.initialise()",
    "write": "first.produce({topic!r}, b'v', b'k', 0); first.commit()",
}
CONNECTORS = {
    "module": "connectors.kafka.producer",
    "name": "TransactionalProducer",
    "more": {},
    "begin": "first.init(20); second.init(20); first.begin()",
    "write": "first._producer.produce({topic!r}, b'v', b'k', 0); first.commit()",
}


@pytest.mark.broker
@pytest.mark.parametrize("client", [pytest.param(STREAMS, id="streams"), pytest.param(CONNECTORS, id="connectors")])
def test_a_producer_that_is_fenced_says_so_in_a_log_line(kafka: TestBroker, unique: Unique, client: dict[str, object]):
    topic = kafka.create_topic(unique.name("fenced"))
    filled = {**client, "write": str(client["write"]).format(topic=topic)}
    said = stderr_of(FENCED.format(**filled, address=kafka.bootstrap_servers, id=unique.transactional_id))
    assert re.search(OURS + ".*FATAL.*[Ff]enced", said, re.MULTILINE) or "FATAL" in said, said
    assert not RAW.search(said), said
