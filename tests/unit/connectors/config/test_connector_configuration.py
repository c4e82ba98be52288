"""Configuration: files, keys, and errors that name every wrong key and no secret."""

import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.config.definition import ConfigDef, Key, Password, Type, at_least, one_of
from connectors.config.properties import parse_connector, parse_properties
from connectors.connector import WorkerConfig
from connectors.errors import ConfigError
from connectors.pubsub.source import PubSubSource
from connectors.runtime.registry import CLASSES, connector_class
from connectors.runtime.worker_config import worker_settings

SOURCE = {
    "connector.class": "connectors.pubsub.PubSubSource",
    "salesforce.login.url": "https://org.my.salesforce.com",
    "salesforce.client.id": "id-1",
    "salesforce.client.secret": "s3cret",
    "salesforce.topics": "/event/A__e",
}
WORKER = WorkerConfig(bootstrap_servers="k:9092", group_id="g", topic_prefix="byoc", offset_storage_topic="o")


PROPERTIES = r"""
# comment
! comment
a=1
b : two words
c three
d
e=x\
   y
f\:g=h=i
u=\u00fc\t!
a=last wins
g = https://x:1/y
"""


def test_java_properties_are_read_as_java_reads_them():
    assert parse_properties(PROPERTIES) == {
        "a": "last wins",
        "b": "two words",
        "c": "three",
        "d": "",
        "e": "xy",
        "f:g": "h=i",
        "u": "ü\t!",
        "g": "https://x:1/y",
    }


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("name=c1\ntasks.max=2\nx=true", id="properties"),
        pytest.param('{"name": "c1", "config": {"tasks.max": 2, "x": true}}', id="JSON of the REST API"),
        pytest.param('{"name": "c1", "tasks.max": "2", "x": "true"}', id="flat JSON"),
    ],
)
def test_a_connector_file_gives_a_name_and_strings(text):
    assert parse_connector(text, "file") == ("c1", {"name": "c1", "tasks.max": "2", "x": "true"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("tasks.max=1", "name", id="no name"),
        pytest.param("{nope", "no valid JSON", id="broken JSON"),
        pytest.param('{"name": "c", "config": {"a": [1]}}', "values must be", id="nested values"),
    ],
)
def test_a_connector_file_that_cannot_be_used_is_named(text, message):
    with pytest.raises(ConfigError, match=f"connector file c.json.*{message}"):
        parse_connector(text, "c.json")


def test_all_wrong_keys_are_named_at_once_and_passwords_are_not_shown():
    definition = ConfigDef(
        Key("needed"),
        Key("count", Type.INT, default=1, check=at_least(1)),
        Key("mode", default="a", check=one_of("a", "b")),
        Key("flag", Type.BOOLEAN, default=True),
        Key("secret", Type.PASSWORD, check=lambda _: "must be longer"),
    )
    with pytest.raises(ConfigError) as caught:
        definition.parse({"count": "0", "mode": "c", "flag": "yes", "secret": "hunter2"}, "connector x")
    assert caught.value.problems == (
        'Missing required configuration "needed" which has no default value.',
        "Invalid value 0 for configuration count: must be at least 1",
        "Invalid value c for configuration mode: must be one of a, b",
        "Invalid value yes for configuration flag: must be true or false",
        "Invalid value [hidden] for configuration secret: must be longer",
    )
    assert "contains the following 5 error(s)" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_password_shows_itself_only_when_asked(caplog):
    password = Password("hunter2")
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("made", extra={"secret": password})
    assert "hunter2" not in f"{password} {password!r} {vars(caplog.records[0])}"
    assert password.reveal() == "hunter2"


def test_absent_is_none_and_zero_is_a_number():
    values = ConfigDef(Key("a", Type.INT, default=None), Key("b", Type.INT, default=5)).parse({"b": "0"}, "x")
    assert (values.optional_string("a"), values.integer("b")) == (None, 0)


def test_unknown_keys_are_found_but_allowed():
    assert ConfigDef(Key("a", default="")).unknown({"a": "1", "typo": "2"}) == ("typo",)


@pytest.mark.parametrize("name", [*CLASSES, "PubSubSource", "WebhookSink", "InteractionSink"])
def test_every_class_of_the_registry_exists_and_declares_its_keys(name):
    found = connector_class(name)
    assert found.type.value in ("source", "sink")
    assert "connector.class" in found.definition.keys


def test_an_unknown_class_is_answered_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"NoSuch, available connectors are: connectors\.pubsub\.PubSubSource"):
        connector_class("NoSuch")


def test_the_source_makes_one_task_per_topic_with_ids_that_do_not_depend_on_the_task():
    config = {**SOURCE, "salesforce.topics": "/event/A__e, /event/B__e", "tasks.max": "2"}
    tasks = PubSubSource("sf", config).tasks(WORKER)
    assert [(task.settings.policy.topic, task.settings.transactional_id) for task in tasks] == [
        ("/event/A__e", "g-sf-event.A__e"),
        ("/event/B__e", "g-sf-event.B__e"),
    ]
    assert {task.settings.conversion.events_topic for task in tasks} == {"byoc.events"}
    assert {task.settings.dead_letter_topic for task in tasks} == {"byoc.dead-letters"}


def test_more_topics_than_tasks_share_tasks():
    config = {**SOURCE, "salesforce.topics": "/event/A__e,/event/B__e,/event/C__e", "tasks.max": "2"}
    shared, alone = PubSubSource("sf", config).tasks(WORKER)
    assert [member.settings.policy.topic for member in shared.members] == ["/event/A__e", "/event/B__e"]
    assert {member.settings.task_id for member in shared.members} == {0}
    assert (alone.settings.policy.topic, alone.settings.task_id) == ("/event/C__e", 1)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"salesforce.client.secret": None}, "salesforce.client.secret", id="no secret"),
        pytest.param({"salesforce.auth.flow": "jwt_bearer"}, "salesforce.private.key.file", id="no key"),
        pytest.param({"salesforce.login.url": "org.my.salesforce.com"}, "salesforce.login.url", id="no scheme"),
        pytest.param({"salesforce.topics": ""}, "salesforce.topics", id="no topics"),
        pytest.param({"salesforce.topics": "A__e"}, "A__e is no topic", id="no such form of topic"),
        pytest.param({"salesforce.topics": "/event/A__e,/event/A__e"}, "A__e is named twice", id="topic twice"),
        pytest.param({"replay.gap.policy": "ignore"}, "replay.gap.policy", id="no such policy"),
        pytest.param({"salesforce.topics": "/event/A__chn"}, "salesforce.event.types", id="channel without types"),
        pytest.param({"salesforce.topics": "/data/AChangeEvent"}, "salesforce.event.types", id="changes as BYOC"),
        pytest.param({"mode": "raw", "raw.topic": "a/${topic}"}, "raw.topic", id="illegal topic name"),
        pytest.param({"mode": "raw", "raw.topic": "a.${record}"}, "raw.topic", id="no such variable"),
        pytest.param(
            {"value.converter.schema.registry.url": "http://u:p@r"},
            "value.converter.schema.registry.url",
            id="password in a URL",
        ),
        pytest.param({"salesforce.proxy.url": "https://p:3128"}, "salesforce.proxy.url", id="proxy over TLS"),
        pytest.param(
            {"value.converter.schema.registry.ssl.ca.location": "/no/such/file"},
            "value.converter.schema.registry.ssl.ca.location",
            id="no CA file of the registry",
        ),
        pytest.param({"salesforce.ca.file": "/no/such/file"}, "salesforce.ca.file", id="no CA file"),
    ],
)
def test_a_wrong_source_key_is_named(change, named):
    config = {key: value for key, value in {**SOURCE, **change}.items() if value is not None}
    with pytest.raises(ConfigError, match=named):
        PubSubSource("sf", config).tasks(WORKER)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"salesforce.topics": "/data/ChangeEvents"}, id="a channel"),
        pytest.param({"salesforce.topics": "/event/A__e,/event/B__e", "raw.topic": "all"}, id="one topic for two"),
    ],
)
def test_one_subject_for_several_types_is_refused_before_the_registry_does(change):
    registry = {"mode": "raw", "value.converter.schema.registry.url": "http://registry"}
    with pytest.raises(ConfigError, match=r"value\.subject\.name\.strategy.*TopicRecordNameStrategy"):
        PubSubSource("sf", {**SOURCE, **registry, **change})
    strategy = "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy"
    named = {"value.converter.value.subject.name.strategy": strategy}
    assert PubSubSource("sf", {**SOURCE, **registry, **change, **named}).tasks(WORKER)


def test_the_configuration_is_kept_as_it_was_given():
    assert PubSubSource("sf", SOURCE).config == SOURCE


def test_worker_properties_have_connects_names_and_our_defaults():
    settings = worker_settings({"bootstrap.servers": "k:9092", "sasl.username": "u", "topic.prefix": "p"})
    assert (settings.rest_host, settings.rest_port) == ("127.0.0.1", 8083)
    assert settings.shared.group_id == "byoc-connect"
    assert settings.shared.offset_storage_topic == "p-connect-offsets"
    assert settings.shared.client == {"sasl.username": "u"}


@pytest.mark.parametrize(
    ("listeners", "address"), [("http://10.0.0.1:8090", ("10.0.0.1", 8090)), ("HTTP://:0", ("0.0.0.0", 0))]
)
def test_listeners_name_the_rest_address(listeners, address):
    settings = worker_settings({"bootstrap.servers": "k:9092", "listeners": listeners})
    assert (settings.rest_host, settings.rest_port) == address


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        pytest.param({}, "bootstrap.servers", id="no brokers"),
        pytest.param({"bootstrap.servers": "k", "rest.port": "x"}, "rest.port", id="no port number"),
        pytest.param({"bootstrap.servers": "k", "listeners": "https://x:1"}, "listeners", id="https"),
        pytest.param({"bootstrap.servers": "k", "topic.prefix": "a b"}, "topic.prefix", id="illegal prefix"),
        pytest.param({"bootstrap.servers": "k", "sasl.jaas.config": "x"}, "sasl.jaas.config", id="Java only"),
    ],
)
def test_wrong_worker_properties_are_named(properties, named):
    with pytest.raises(ConfigError, match=named):
        worker_settings(properties)


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1e999"])
def test_a_number_has_an_end(text):
    keys = ConfigDef(Key("pause.s", Type.DOUBLE, doc="A pause."))
    with pytest.raises(ConfigError, match=r"for configuration pause\.s: must be a number"):
        keys.parse({"pause.s": text}, subject="x")


def test_a_character_of_two_escapes_is_one_and_half_of_one_is_still_text():
    found = parse_properties(r"a=\ud83d\ude00" + "\n" + r"b=x\ud83d")
    assert found == {"a": "😀", "b": "x\ufffd"}


def test_a_document_that_is_nested_too_deep_is_named():
    with pytest.raises(ConfigError, match="no valid JSON"):
        parse_connector('{"a":' * 100_000, "x.json")


@given(st.text())
def test_any_text_is_read_as_properties(text):
    for key, value in parse_properties(text).items():
        (key + value).encode()


@pytest.mark.parametrize("piece", ["\\", "a ", " ", "=", "\\\n", "a\\ ", "\\u12", " \t:", "\\\\ "])
def test_long_properties_are_read_at_once(piece):
    began_s = time.perf_counter()
    parse_properties("a" + piece * (100_000 // len(piece)))
    assert time.perf_counter() - began_s < 1
