"""Keys live where Java clients look for them."""

import subprocess

import pytest

from byoc.local_kafka.jars import ensure_jars
from byoc.local_kafka.tools import find_java
from byoc.settings import Settings
from tests.support.kafka import TestBroker, Unique

pytestmark = pytest.mark.broker

KEYS = [f"conversation-{number}" for number in range(990)] + [
    *("", "a", "ab", "abc", "abcd", "0LwHs0000004CAfKAM", "+49 171 0000000", "ünïcode", "会話", "🙂 emoji")
]


def test_our_producers_and_javas_place_every_key_alike(kafka: TestBroker, unique: Unique):
    ours = kafka.create_topic(unique.name("ours"), partitions=12)
    javas = kafka.create_topic(unique.name("javas"), partitions=12)
    kafka.produce(ours, [(key.encode(), b"v") for key in KEYS])
    settings = Settings()
    subprocess.run(
        [
            *(str(find_java(settings.java_home)), "-Xmx128m", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8"),
            *("-cp", f"{ensure_jars(settings.kafka_libs)}/*", "org.apache.kafka.tools.ConsoleProducer"),
            *("--bootstrap-server", kafka.bootstrap_servers, "--topic", javas),
            *("--reader-property", "parse.key=true", "--reader-property", "key.separator=\t"),
        ],
        input="".join(f"{key}\tv\n" for key in KEYS).encode(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    places = [{m.key: m.partition for m in kafka.read_committed(topic)} for topic in (ours, javas)]
    assert len(places[0]) == len(KEYS)
    assert places[0] == places[1]
