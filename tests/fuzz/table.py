"""All targets: the one list of what comes from outside."""

from typing import Final

from tests.fuzz import configuration, peers, reading, serving
from tests.fuzz.target import Target

TARGETS: Final[dict[str, Target]] = {
    each.name: each for each in (*reading.TARGETS, *peers.TARGETS, *serving.TARGETS, *configuration.TARGETS)
}
