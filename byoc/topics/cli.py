"""`byoc topics create|check|alter`."""

from collections.abc import Callable
from typing import Any

import click

from byoc.settings import Settings
from byoc.topics.ensure import alter_topics, check_topics, create_topics
from schemas.topics import DEFAULT_APP_ID, DEFAULT_PARTITIONS, DEFAULT_PREFIX, Topics, TopicSpec


def catalogue_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a catalogue on a cluster."""
    options = [
        click.option(
            "--bootstrap-servers", help="Address of Kafka.  [default: KAFKA_BOOTSTRAP_SERVERS or 127.0.0.1:9092]"
        ),
        click.option("--prefix", default=DEFAULT_PREFIX, show_default=True, help="Beginning of the topic names."),
        click.option("--app-id", default=DEFAULT_APP_ID, show_default=True, help="Beginning of the changelog names."),
        click.option(
            "--partitions",
            type=click.IntRange(min=1),
            default=DEFAULT_PARTITIONS,
            show_default=True,
            help="One number for all conversation topics.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def topics() -> None:
    """Create or check the topics of the catalogue, or let them take larger records.

    \b
    Example:
      byoc topics create --partitions 4
      byoc topics check --partitions 4
      byoc topics alter
    """


@topics.command()
@catalogue_options
@click.option("--replication-factor", type=click.IntRange(min=1), default=1, show_default=True)
def create(bootstrap_servers: str | None, prefix: str, app_id: str, partitions: int, replication_factor: int) -> None:
    """Create the topics that are missing; refuse when existing ones do not match.

    \b
    Example:
      byoc topics create --bootstrap-servers kafka:9092 --partitions 12 --replication-factor 3
    """
    wanted = _wanted(prefix, app_id, partitions)
    address = bootstrap_servers or Settings().bootstrap_servers
    created = create_topics(address, wanted, replication_factor=replication_factor)
    for name in created:
        click.echo(f"created {name}")
    click.echo(f"topics={len(wanted)} created={len(created)} partitions={partitions}")


@topics.command()
@catalogue_options
def check(bootstrap_servers: str | None, prefix: str, app_id: str, partitions: int) -> None:
    """Compare the topics with the catalogue; exit with 1 and name each difference.

    \b
    Example:
      byoc topics check --prefix byoc --partitions 4
    """
    wanted = _wanted(prefix, app_id, partitions)
    check_topics(bootstrap_servers or Settings().bootstrap_servers, wanted)
    click.echo(f"topics={len(wanted)} match partitions={partitions}")


@topics.command()
@catalogue_options
def alter(bootstrap_servers: str | None, prefix: str, app_id: str, partitions: int) -> None:
    """Raise max.message.bytes of the topics that take smaller records than the catalogue asks for.

    For topics that an older version has created. It changes no other setting and needs no restart.

    \b
    Example:
      byoc topics alter --prefix byoc
    """
    wanted = _wanted(prefix, app_id, partitions)
    altered = alter_topics(bootstrap_servers or Settings().bootstrap_servers, wanted)
    for name in altered:
        click.echo(f"altered {name}")
    click.echo(f"topics={len(wanted)} altered={len(altered)}")


def _wanted(prefix: str, app_id: str, partitions: int) -> list[TopicSpec]:
    try:
        return Topics(prefix=prefix, app_id=app_id).catalogue(partitions)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
