"""Running sink tasks in a test: deliveries to bring out, a task that serves, conditions to wait for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from connectors.connector import Task, WorkerConfig
from connectors.sinks.interaction.connector import InteractionSink
from connectors.sinks.webhook.connector import WebhookSink
from schemas.codec import decode, encode
from schemas.records import Delivery, DeliveryKind, DeliveryReceipt, SalesforceCall, SalesforceCallResult
from schemas.topics import Topics
from tests.support.channel import SECRET
from tests.support.kafka import TestBroker
from tests.support.simulator import RunningSimulator

PATIENCE_S = 30.0


def worker_config(bootstrap_servers: str, prefix: str) -> WorkerConfig:
    """A worker for tasks that a test runs itself."""
    return WorkerConfig(
        bootstrap_servers=bootstrap_servers,
        group_id=f"{prefix}-connect",
        topic_prefix=prefix,
        offset_storage_topic=f"{prefix}-connect-offsets",
    )


def webhook_task(bootstrap_servers: str, topics: Topics, url: str, task_id: int = 0, **keys: str) -> Task:
    """One task of a webhook sink for these topics; `keys` with `_` for `.`, as `retry_max="3"`."""
    config = {
        "name": f"{topics.prefix}-webhook",
        "connector.class": "connectors.sinks.WebhookSink",
        "webhook.url": url,
        "webhook.secret": SECRET,
        "retry.backoff.s": "0.02",
        "retry.backoff.max.s": "0.2",
        **{name.replace("_", "."): value for name, value in keys.items()},
    }
    config["tasks.max"] = str(task_id + 1)
    return WebhookSink(config["name"], config).tasks(worker_config(bootstrap_servers, topics.prefix))[task_id]


def interaction_task(
    bootstrap_servers: str, topics: Topics, simulator: RunningSimulator, api_url: str | None = None, **keys: str
) -> Task:
    """The task of an Interaction Service sink that logs in at the simulator and calls it, or `api_url`."""
    return interaction_task_at(
        bootstrap_servers,
        topics,
        api_url=api_url or f"{simulator.http_url}/api/v1",
        login_url=simulator.http_url,
        client_id=simulator.client_id,
        client_secret=simulator.client_secret,
        **keys,
    )


def interaction_task_at(  # what a process of its own is told
    bootstrap_servers: str,
    topics: Topics,
    *,
    api_url: str,
    login_url: str,
    client_id: str,
    client_secret: str,
    **keys: str,
) -> Task:
    """The task of an Interaction Service sink with these addresses and credentials."""
    config = {
        "name": f"{topics.prefix}-interaction",
        "connector.class": "connectors.sinks.InteractionSink",
        "salesforce.api.url": api_url,
        "salesforce.authorization.context": "Demo_Channel",
        "salesforce.login.url": login_url,
        "salesforce.client.id": client_id,
        "salesforce.client.secret": client_secret,
        "retry.backoff.s": "0.02",
        "retry.backoff.max.s": "0.2",
        **{name.replace("_", "."): value for name, value in keys.items()},
    }
    [task] = InteractionSink(config["name"], config).tasks(worker_config(bootstrap_servers, topics.prefix))
    return task


def produce_calls(kafka: TestBroker, topics: Topics, calls: Iterable[SalesforceCall]) -> None:
    """Write calls as the processor does: keyed by conversation."""
    kafka.produce(topics.salesforce_calls, [(each.conversation_id.encode(), encode(each)) for each in calls])


def results(kafka: TestBroker, topics: Topics) -> list[SalesforceCallResult]:
    """All results so far, in order per conversation."""
    found = kafka.read_committed(topics.salesforce_results)
    return [decode(SalesforceCallResult, message.value or b"") for message in found]


@asynccontextmanager
async def running(task: Task) -> AsyncIterator[asyncio.Task[None]]:
    """Run a task from ready to stopped. A failure of the task fails the test, unless the test took it."""
    ready = asyncio.Event()
    run = asyncio.create_task(task.run(ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({run, waiting}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        yield run
    finally:
        taken = run.done()
        await task.stop()
        await asyncio.wait({run}, timeout=PATIENCE_S)
        if not taken:
            await run


async def eventually(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds; fails the test, naming it, when it does not in time.

    The condition runs in a thread: it may block, as reading Kafka does, without holding up what it waits for.
    """
    deadline = time.monotonic() + patience_s
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"waited {patience_s:g} s in vain: {what}"
        await asyncio.sleep(0.02)


def delivery(
    conversation_id: str,
    seq: int,
    *,
    kind: DeliveryKind = DeliveryKind.MESSAGE,
    expires_at_ms: int | None = None,
    created_at_ms: int = 1_767_225_600_000,
) -> Delivery:
    """The `seq`-th delivery of a conversation."""
    return Delivery(
        delivery_id=f"{conversation_id}-{seq}",
        conversation_id=conversation_id,
        org_id="00DHs000000ABCDMA4",
        entry_id=f"entry-{conversation_id}-{seq}",
        kind=kind.value,
        channel_address_id="channel-1",
        end_user_subject="cust-4711",
        sender_role="Agent",
        text=f"hello #{conversation_id}-{seq}",
        created_at_ms=created_at_ms,
        expires_at_ms=expires_at_ms,
        event_uuid=f"uuid-{conversation_id}-{seq}",
    )


def produce_deliveries(kafka: TestBroker, topics: Topics, deliveries: Iterable[Delivery]) -> None:
    """Write deliveries as the processor does: keyed by conversation."""
    kafka.produce(topics.deliveries, [(each.conversation_id.encode(), encode(each)) for each in deliveries])


def receipts(kafka: TestBroker, topics: Topics) -> list[DeliveryReceipt]:
    """All receipts so far, in order per conversation."""
    return [decode(DeliveryReceipt, message.value or b"") for message in kafka.read_committed(topics.receipts)]


def in_order_without_repeats(ids: Sequence[str]) -> list[str]:
    """The first appearance of each id, in order."""
    return list(dict.fromkeys(ids))
