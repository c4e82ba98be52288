"""Turns the org's errors into refusals of the simulator's own calls."""

from collections.abc import Iterator
from contextlib import contextmanager

from simulator.events.event_schema import PayloadError
from simulator.org.event_log import UnknownTopicError
from simulator.org.org import Org
from simulator.web.endpoint import RefusedError


def unknown_topic(org: Org, topic: str) -> RefusedError:
    """Return the refusal of a call that names a topic that does not exist, or that has no schema of its own."""
    return RefusedError(404, f"there is no topic {topic} for this; there are: {', '.join(org.log.topics)}")


@contextmanager
def org_errors(org: Org) -> Iterator[None]:
    """Raise `RefusedError` in place of the block's error: 404 for a topic, 400 for what does not fit a schema."""
    try:
        yield
    except PayloadError as error:
        raise RefusedError(400, str(error)) from error
    except UnknownTopicError as error:
        raise unknown_topic(org, error.args[0]) from error
