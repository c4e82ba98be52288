"""The settings of the local node: server properties, Java options, logging. Pure text."""

from enum import StrEnum


class Memory(StrEnum):
    """How much the broker may use."""

    SMALL = "small"  # for tests and the demo: ready in under 2 s, about 210 MB
    BENCH = "bench"  # for benchmarks: a warm JIT and 1 GB of heap, ready in about 4 s


JAVA_OPTIONS: dict[Memory, tuple[str, ...]] = {
    # C1 only and the serial collector: half the start time and memory, and no GC threads beside the tests.
    Memory.SMALL: ("-Xms256m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    # Warm, and no collector's threads beside the broker's on its one core.
    Memory.BENCH: ("-Xms1g", "-Xmx1g", "-XX:+UseSerialGC"),
}

LOGGING = """\
status=error
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c{1}: %m%n
"""

# One node: every internal topic has one replica. Few internal partitions: each costs files and start time.
FIXED: dict[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.num.partitions": "5",
    "group.initial.rebalance.delay.ms": "0",
    # Lets a fault run notice a dead worker in 1 s; the default lower bound is 6 s.
    "group.min.session.timeout.ms": "1000",
    # How often timed-out transactions are looked for; the default 10 s adds to every forgotten transaction.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # A misspelt topic is an error, not a new topic with the wrong number of partitions.
    "auto.create.topics.enable": "false",
    # A killed broker may register again after this; the default 9 s makes each restart wait for it.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.segment.delete.delay.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


def server_properties(*, host: str, port: int, controller_port: int, data: str) -> str:
    """Return the server properties of one combined KRaft node that listens on `host`.

    `data` is the folder of the logs; ports must be chosen by the caller, since clients are told them.
    """
    placed = {
        "controller.quorum.voters": f"1@{host}:{controller_port}",
        "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "log.dirs": data,
    }
    return "".join(f"{name}={value}\n" for name, value in (FIXED | placed).items())
