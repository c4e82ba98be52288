"""`byoc topics`: creates what is missing, refuses what does not match, changes nothing that exists."""

import click
import pytest
from click.testing import CliRunner, Result

from byoc.cli import main
from byoc.kafka import admin
from schemas.topics import Topics, TopicSpec
from tests.support.kafka import TestBroker, Unique

pytestmark = pytest.mark.broker


def byoc(kafka: TestBroker, unique: Unique, *words: str) -> Result:
    options = ("--bootstrap-servers", kafka.bootstrap_servers, "--prefix", unique.prefix, "--app-id", unique.app_id)
    return CliRunner().invoke(main, ["topics", words[0], *options, *words[1:]], prog_name="byoc")


@pytest.fixture
def topics(kafka: TestBroker, unique: Unique) -> Topics:
    """The names; nothing exists yet."""
    kafka.delete_on_exit(*(spec.name for spec in unique.topics.catalogue()))
    return unique.topics


def test_created_topics_have_the_partitions_and_policies_of_the_catalogue(
    kafka: TestBroker, unique: Unique, topics: Topics
):
    assert byoc(kafka, unique, "create", "--partitions", "3").exit_code == 0
    wanted = {spec.name: spec for spec in topics.catalogue(3)}
    found = admin.describe_topics(kafka.bootstrap_servers, wanted)
    assert {name: (topic.partitions, topic.cleanup_policy) for name, topic in found.items()} == {
        name: (spec.partitions, spec.config["cleanup.policy"]) for name, spec in wanted.items()
    }
    checked = byoc(kafka, unique, "check", "--partitions", "3")
    assert (checked.exit_code, checked.output) == (0, f"topics={len(wanted)} match partitions=3\n")


def test_creating_again_changes_nothing(kafka: TestBroker, unique: Unique, topics: Topics):
    byoc(kafka, unique, "create")
    again = byoc(kafka, unique, "create")
    assert (again.exit_code, again.output) == (0, f"topics={len(topics.catalogue())} created=0 partitions=4\n")


@pytest.mark.parametrize("command", ["check", "create"])
def test_another_number_of_partitions_is_refused_and_both_numbers_named(
    kafka: TestBroker, unique: Unique, topics: Topics, command: str
):
    kafka.create_topic(topics.events, partitions=8)
    refused = byoc(kafka, unique, command)
    assert refused.exit_code == 1
    assert f"{topics.events} has 8 partitions, expected 4" in refused.output
    assert "--partitions" in refused.output
    existing = set(admin.topic_names(kafka.bootstrap_servers))
    assert existing & {spec.name for spec in topics.catalogue()} == {topics.events}, "refused, and yet created"


def test_a_changelog_that_is_not_compacted_is_refused(kafka: TestBroker, unique: Unique, topics: Topics):
    kafka.create_topics([TopicSpec(name=topics.changelog("seen"), partitions=4, config={"cleanup.policy": "delete"})])
    refused = byoc(kafka, unique, "create")
    assert refused.exit_code == 1
    assert f"{topics.changelog('seen')} has cleanup.policy=delete, expected compact" in refused.output


def test_a_check_names_missing_topics(kafka: TestBroker, unique: Unique, topics: Topics):
    refused = byoc(kafka, unique, "check")
    assert refused.exit_code == 1
    assert f"{topics.events} does not exist" in refused.output
    assert "byoc topics create" in refused.output


def test_a_replication_that_the_cluster_cannot_give_is_one_message(kafka: TestBroker, unique: Unique, topics: Topics):
    refused = byoc(kafka, unique, "create", "--replication-factor", "99")
    assert refused.exit_code == 1
    assert isinstance(refused.exception, SystemExit)
    assert "replication factor" in refused.output.lower()


def test_commands_are_click_commands():
    assert isinstance(main.get_command(click.Context(main), "topics"), click.Group)
