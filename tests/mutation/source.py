"""Take each guard of the source out, one at a time, and see a test turn red: `python -m tests.mutation.source`.

Works on a copy of the sources and a Kafka of its own. Prints a table, mutant by mutant, and ends with 1 when one
survives. `row N` is a row of `docs/failures.md`: each has a mutant here.
"""

import sys
from functools import partial

import click

from byoc.local_kafka.local import LocalKafka
from byoc.settings import Settings
from tests.mutation.mutant import Mutant, copied_sources, ending_of, tell

FAILURES = "--timeout 30 tests/integration/test_source_failures.py -k"
KILLS = "--timeout 60 tests/fault/test_source_kills.py -k"
CASES = "tests/unit/connectors/pubsub/protocol/test_protocol_cases.py"
FAULTS = "tests/unit/connectors/pubsub/protocol/test_pubsub_faults.py"
CREDIT = "connectors/pubsub/protocol/credit.py"
ERRORS = "connectors/pubsub/protocol/faults.py"
LANE = "connectors/pubsub/runner/transactions.py"
PROTOCOL = "connectors/pubsub/protocol/subscription.py"
SESSION = "connectors/pubsub/runner/session.py"
TRANSPORT = "connectors/pubsub/runner/transport.py"

ROWS = [
    Mutant(
        "row 1: silence is a dead connection",
        PROTOCOL,
        "return self._heard_s + self.policy.watchdog_s",
        "return None",
        f"{FAILURES} falls_silent",
    ),
    Mutant(
        "row 1: pings have a time-out of their own",
        TRANSPORT,
        '("grpc.http2.ping_timeout_ms", int(endpoint.ping_timeout_s * 1000)),',
        "",
        "--timeout 40 tests/integration/test_pubsub_transport.py -k dark",
    ),
    Mutant(
        "row 2: not below the promised keepalive",
        PROTOCOL,
        "watchdog_s: float = KEEPALIVE_BOUND_S + 30.0",
        "watchdog_s: float = 62.0",
        f"{FAILURES} below_the_promised",
    ),
    Mutant(
        "row 2: a short watchdog is warned about",
        SESSION,
        "if self._settings.policy.watchdog_s < KEEPALIVE_BOUND_S:",
        "if False:",
        f"{FAILURES} below_the_promised",
    ),
    Mutant(
        "row 2: every response feeds the watchdog",
        PROTOCOL,
        "self.phase = Phase.STREAMING\n        self._heard_s = now_s",
        "self.phase = Phase.STREAMING",
        f"{FAILURES} left_alone",
    ),
    Mutant(
        "row 3: Kafka is waited for beside the stream",
        LANE,
        "return await loop.run_in_executor(self._thread, self._commit_and_begin)",
        "return self._commit_and_begin()",
        f"{FAILURES} while_kafka_hangs",
    ),
    Mutant(
        "row 4: a lost position ends the task",
        PROTOCOL,
        "if policy is GapPolicy.FAIL:",
        "if False:",
        f"{FAILURES} left_the_retention",
    ),
    Mutant(
        "row 5: keepalives are stored",
        PROTOCOL,
        "if self._keepalive is None or self.position.inflight_batches:",
        "if True:",
        f"{FAILURES} three_days",
    ),
    Mutant(
        "row 6: only what is about the replay id is a lost position",
        ERRORS,
        'if not code and status == "INVALID_ARGUMENT" and _REPLAY_TEXT in details.lower():',
        'if status == "INVALID_ARGUMENT":',
        f"{FAILURES} not_about_the_replay_id",
    ),
    Mutant(
        "row 7: the code decides before the status",
        ERRORS,
        '    "service.": Rule(action=Action.RETRY),',
        '    "service.": Rule(action=Action.FAIL),',
        f"{FAILURES} 'whatever_way and unavailable'",
    ),
    Mutant(
        "row 8: what is not known goes on at the position",
        PROTOCOL,
        "preset = self._preset if replay_id is None else ReplayPreset.CUSTOM",
        "preset = ReplayPreset.LATEST",
        f"{FAILURES} 'whatever_way and new'",
    ),
    Mutant(
        "row 9: a stream that is replaced is closed",
        SESSION,
        "            task.cancel()\n\n    def _drop_token",
        "            pass\n\n    def _drop_token",
        f"{FAILURES} never_a_second_stream",
    ),
    Mutant(
        "row 10: an end in order is a reconnect",
        PROTOCOL,
        'effects = self._reconnect("ended", 0.0, now_s, jitter)',
        "effects = self._stop()",
        f"{FAILURES} 'whatever_way and order'",
    ),
    Mutant(
        "row 11: a batch is written whole or not at all",
        "connectors/pubsub/runner/pipeline.py",
        "elif self._finishing.is_set():\n                return False",
        "elif self._finishing.is_set():\n                return True",
        f"{FAILURES} schema_is_waited_for",
    ),
    Mutant(
        "row 12: what is in memory counts",
        PROTOCOL,
        "return max(0, self.policy.max_inflight_events - self.position.inflight_events)",
        "return self.policy.max_inflight_events",
        "--timeout 60 tests/fault/test_source_and_kafka.py -k memory",
    ),
    Mutant(
        "row 13: an outage of schemas gives no event up",
        PROTOCOL,
        "            case Action.RETRY:\n                return [RetryEvent(delay_s)]",
        "            case Action.RETRY:\n                return self._give_up(replay_id, fault)",
        f"{FAILURES} comes_after_a_while",
    ),
    Mutant(
        "row 14: failures are counted per position",
        PROTOCOL,
        "if replay_id != self._blocked_at:",
        "if True:",
        f"{FAILURES} stays_unreadable",
    ),
    Mutant(
        "row 15: each event by its own schema",
        "connectors/pubsub/converters/schema_cache.py",
        "        return self._schemas.get(schema_id)\n\n    async def get",
        "        return next(iter(self._schemas.values()), None)\n\n    async def get",
        f"{FAILURES} come_and_go",
    ),
    Mutant(
        "row 16: schemas are kept",
        "connectors/pubsub/converters/schema_cache.py",
        "        return self._schemas.get(schema_id)\n\n    async def get",
        "        return self._schemas.pop(schema_id, None)\n\n    async def get",
        f"{FAILURES} fetched_once",
    ),
    Mutant(
        "row 16: and asked for once",
        "connectors/pubsub/converters/schema_cache.py",
        "if fetching is None:",
        "if True:",
        "tests/unit/connectors/pubsub/converters/test_schema_cache.py",
    ),
    Mutant(
        "row 17: 64 bits are read",
        "schemas/codec/flat.py",
        "values.append(number)",
        "values.append(int(float(number)))",
        "tests/property/test_salesforce_payload.py -k every_bit",
    ),
    Mutant(
        "row 18: the server's count is the truth",
        CREDIT,
        "self.outstanding = pending_num_requested",
        "self.outstanding = expected",
        "tests/unit/connectors/pubsub/protocol/test_subscription_position.py",
    ),
    Mutant(
        "row 18: credit comes back with every event, readable or not",
        "connectors/pubsub/protocol/position.py",
        "self.inflight_events -= batch.event_count",
        "self.inflight_events -= min(1, batch.event_count)",
        "tests/property/test_subscription_protocol.py",
    ),
    Mutant(
        "row 19: a stream that was closed for want of credit is opened again",
        ERRORS,
        '    "UNAVAILABLE": Rule(action=Action.RETRY),',
        '    "UNAVAILABLE": Rule(action=Action.FAIL),',
        f"{FAILURES} want_of_credit",
    ),
    Mutant(
        "row 20: requests are written as they come",
        "connectors/pubsub/runner/stream.py",
        "self._grants.put_nowait(num_requested)",
        "del num_requested",
        f"{FAILURES} keepalives_between",
    ),
    Mutant(
        "row 21: a reply without a token is asked for again",
        "connectors/salesforce/auth.py",
        "if status == 200 and _holds_no_token(body):",
        "if False:",
        f"{FAILURES} hold_no_token",
    ),
    Mutant(
        "row 21: a refused token is dropped",
        "connectors/salesforce/auth.py",
        "if self._token == token:",
        "if False:",
        f"{FAILURES} new_schema_hours",
    ),
    Mutant(
        "row 21: one request however many ask",
        "connectors/salesforce/auth.py",
        "if self._fetching is None:",
        "if True:",
        "tests/unit/connectors/salesforce/test_tokens.py",
    ),
    Mutant(
        "row 22: memory before store before preset",
        PROTOCOL,
        "replay_id = self.position.resume\n        self.phase = Phase.OPENING",
        "replay_id = self.position.durable\n        self.phase = Phase.OPENING",
        "tests/property/test_subscription_protocol.py",
    ),
    Mutant(
        "row 22: a refused token does not start the topic again",
        PROTOCOL,
        "replay_id = self.position.resume\n        self.phase = Phase.OPENING",
        "replay_id = None\n        self.phase = Phase.OPENING",
        f"{FAILURES} refused_in_mid_stream",
    ),
    Mutant(
        "row 23: from latest, the first position is pinned",
        PROTOCOL,
        "if fetched.latest_replay_id and fetched.latest_replay_id != self.position.resume:",
        "if fetched.latest_replay_id and self.position.resume is not None:",
        f"{FAILURES} pinned",
    ),
    Mutant(
        "row 24: a limit is stayed away from",
        ERRORS,
        '"service.protection.": Rule(action=Action.RETRY, pause_s=60.0),',
        '"service.protection.": Rule(action=Action.RETRY),',
        f"{FAILURES} a_limit",
    ),
    Mutant(
        "row 24: tasks do not come back together",
        PROTOCOL,
        "PAUSE_SPREAD: Final = 0.2",
        "PAUSE_SPREAD: Final = 0.0",
        CASES,
    ),
    Mutant(
        "row 24: an allocation that is used up is waited for",
        ERRORS,
        '"subscription.limit.exceeded": Rule(action=Action.RETRY, pause_s=900.0, remedy=_QUOTA),',
        '"subscription.limit.exceeded": Rule(action=Action.RETRY, remedy=_QUOTA),',
        f"{FAILURES} allocation",
    ),
    Mutant(
        "row 25: the position is not the server's to keep",
        TRANSPORT,
        '"/eventbus.v1.PubSub/Subscribe"',
        '"/eventbus.v1.PubSub/ManagedSubscribe"',
        f"{FAILURES} kept_in_kafka",
    ),
    Mutant(
        "row 26: one transactional id, whoever runs the task",
        SESSION,
        "transactional_id=settings.transactional_id,",
        "transactional_id=f'{settings.transactional_id}-{clock.now_ms()}',",
        f"{KILLS} stood_still",
    ),
    Mutant(
        "row 27: attempts are counted until a response comes",
        PROTOCOL,
        "self._accepted = True\n",
        "self._accepted = True\n        self._attempt = 0\n",
        f"{FAILURES} accepts_and_then_fails",
    ),
    Mutant(
        "row 27: and forgotten then",
        PROTOCOL,
        "self._attempt = 0\n        self._refused_tokens = 0\n        self.credit.received",
        "self.credit.received",
        CASES,
    ),
    Mutant(
        "row 28: events and position commit together",
        LANE,
        "        if position is not None:\n            self._producer.produce([position])",
        "        if position is not None:\n            self._producer.commit()\n            self._producer.begin()\n"
        "            self._producer.produce([position])",
        f"{KILLS} committed",
    ),
    Mutant(
        "row 29: presets are sent as they are meant",
        TRANSPORT,
        "ReplayPreset.EARLIEST: pb.EARLIEST,",
        "ReplayPreset.EARLIEST: pb.LATEST,",
        f"{FAILURES} kept_in_kafka",
    ),
    Mutant(
        "row 30: another type is not read by our schema",
        "connectors/pubsub/converters/schema_cache.py",
        "        return self._schemas.get(schema_id)\n\n    async def get",
        "        return next(iter(self._schemas.values()), None)\n\n    async def get",
        f"{FAILURES} another_type",
    ),
    Mutant(
        "row 31: the stream takes the proxy",
        TRANSPORT,
        "if endpoint.route.proxy is not None:",
        "if False:",
        "tests/integration/test_source_access.py -k only_through_it",
    ),
    Mutant(
        "row 31: the own authority is trusted",
        TRANSPORT,
        "grpc.ssl_channel_credentials(root_certificates=",
        "grpc.ssl_channel_credentials() if True else (",
        f"{FAILURES} own_authority",
    ),
]
FURTHER = [
    Mutant(
        "credit: a server that waits gets it within milliseconds",
        CREDIT,
        "if not grant or not self._used_up:",
        "if True:",
        "tests/property/test_catch_up.py",
    ),
    Mutant(
        "credit: and small requests are gathered",
        CREDIT,
        "return grant if now_s >= self.due_s else 0",
        "return grant",
        CASES,
    ),
    Mutant("credit: 100 at most", CREDIT, "MAX_CREDIT: Final = 100", "MAX_CREDIT: Final = 101", "tests/property"),
    Mutant(
        "transport: a request that crosses the end of its stream does not hide the reason",
        TRANSPORT,
        "await self._call._cython_call.send_serialized_message(request)",
        "await self._call.write(pb.FetchRequest(num_requested=num_requested))",
        "tests/integration/test_pubsub_transport.py -k crosses",
    ),
    Mutant(
        "schemas: an outage is asked about less and less often",
        PROTOCOL,
        "        self._tries += 1\n",
        "",
        CASES,
    ),
]


@click.command()
@click.option("--only", default="", help="Mutants whose name contains this, such as `row 5:`.")
def main(only: str) -> None:
    """Print which mutants the suite kills."""
    with copied_sources() as copy, LocalKafka() as kafka:
        environment = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "BYOC_HOME": str(Settings().byoc_home)}
        mutants = [(each.name, partial(ending_of, each, copy, environment)) for each in ROWS + FURTHER]
        sys.exit(0 if tell(mutants, only) else 1)


if __name__ == "__main__":
    main()
