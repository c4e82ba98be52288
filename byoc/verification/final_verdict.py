"""Waits until nothing more arrives at the end of a run, and returns the verdict."""

import time
from collections.abc import Callable
from pathlib import Path

from byoc.system.http import get_json
from byoc.verification.evidence import gather
from byoc.verification.trace import write_trace
from byoc.verification.verdict import Verdict, judge
from schemas.topics import Topics

LOOK_S = 1.0
# Longer than a rebalance (10 s) and a routing window of the demo together: nothing new for so long is the end.
QUIET_S = 45.0


def scenario_is_over(simulator_url: str) -> bool:
    """Say whether all conversations were played and all routing requests have ended."""
    return not get_json(f"{simulator_url}/v1/scenario")["running"]


def final_verdict(
    simulator_url: str,
    bootstrap_servers: str,
    topics: Topics,
    partner_log: Path,
    *,
    trace: Path,
    each_look: Callable[[], None],
) -> Verdict:
    """Judge again until nothing is lost, or nothing has changed for `QUIET_S`. Call when the scenario is over.

    `each_look` is called before each reading. When something is wrong, the records of the conversations in question
    are written to the file `trace`.
    """
    verdict = _at_rest(simulator_url, bootstrap_servers, topics, partner_log, each_look)
    trace.unlink(missing_ok=True)
    if not verdict.is_clean():
        write_trace(trace, verdict.all_findings(), bootstrap_servers, topics)
    return verdict


def _at_rest(
    simulator_url: str, bootstrap_servers: str, topics: Topics, partner_log: Path, each_look: Callable[[], None]
) -> Verdict:
    last_line, changed_at = "", time.monotonic()
    while True:
        each_look()
        verdict = judge(gather(simulator_url, bootstrap_servers, topics, partner_log))
        if not verdict.lost:
            return verdict
        if verdict.last_line() != last_line:
            last_line, changed_at = verdict.last_line(), time.monotonic()
        if time.monotonic() - changed_at > QUIET_S:
            return verdict
        time.sleep(LOOK_S)
