"""The query API of a worker that owns nothing but what a test puts into its tables; no Kafka is asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import BaseTestServer, TestServer

from schemas.topics import Topics
from streams.core.model.rules import Rules
from streams.core.model.step import CONVERSATIONS, Step
from streams.metrics import Metrics
from streams.runtime.app import ExactlyOnceApp
from streams.runtime.consumer import partition_of
from streams.runtime.partition import CommitTimes
from streams.runtime.partitions import Partitions
from streams.state.tables import Tables
from streams.web.queries import add_queries
from tests.support.memory_transactions import MemoryTransactions

PARTITIONS = 4


class QueryServer:
    """Where it is served, and the tables behind it."""

    def __init__(self, app: ExactlyOnceApp, tables: Tables, server: BaseTestServer, session: ClientSession) -> None:
        self._app = app
        self._tables = tables
        self._server = server
        self.session = session

    def url(self, path: str) -> str:
        """The address of `path`, which is sent as it is."""
        return f"http://{self._server.host}:{self._server.port}{path}"

    def write(self, conversation_id: str, step: Step) -> None:
        """Bring a step into the tables, as its commit does."""
        state = self._tables.partition(partition_of(conversation_id.encode(), PARTITIONS))
        state.write(step)
        for _ in state.take_changes():
            pass

    async def lose_all(self) -> None:
        """Give all partitions away, as a rebalance does."""
        await self._app.partitions.release(set(range(PARTITIONS)))

    async def hand_over_to(self, url: str) -> None:
        """Give all partitions to the worker at `url`, and know it as their owner, as after a rebalance."""
        await self.lose_all()
        owned = {Topics().changelog(CONVERSATIONS): list(range(PARTITIONS))}
        self._app.assignor.changelog_distribution = {url: owned}


@asynccontextmanager
async def query_server(rules: Rules) -> AsyncIterator[QueryServer]:
    """The product's own app and routes on a free port, ready, with all partitions."""
    app = ExactlyOnceApp(
        "query-test",
        bootstrap_servers="127.0.0.1:1",
        topic_partitions=PARTITIONS,
        web_port=6066,
        datadir="/nonexistent",
    )
    times = CommitTimes(linger_s=0.0, max_open_s=1.0, settle_timeout_s=1.0)
    app.partitions = Partitions(MemoryTransactions, lambda _: None, lambda _: None, times)
    await app.partitions.open(set(range(PARTITIONS)))
    tables = Tables(app, PARTITIONS)
    add_queries(app, tables, Topics(), Metrics(), rules)
    app.tables.recovery.completed.set()
    app.rebalancing = False
    application = await app.web.wsgi()
    async with TestServer(application) as server, ClientSession(connector=TCPConnector(limit=0)) as session:
        yield QueryServer(app, tables, server, session)
        await app.http_client.close()
