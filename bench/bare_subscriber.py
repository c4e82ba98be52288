"""`python -m bench.bare_subscriber`: a subscriber that only asks for as many events as it has just received.

No subscriber can be faster over the same connection. The only importer of grpc in the benchmarks.
"""

import asyncio
import json
import signal
import time
import urllib.parse
import urllib.request
from typing import Any

import click
import grpc.aio

from bench.errors import MeasurementError
from schemas.proto import pubsub_api_pb2 as pb
from schemas.proto.pubsub_api_pb2_grpc import PubSubStub

TOPIC = "/event/ByocOutbound__e"
CREDIT = 100  # events that may be outstanding on one stream
_PATIENCE_S = 120.0
_CONNECTING_SHARE = 0.2  # as in bench/source.py


@click.command()
@click.argument("login_url")
@click.argument("address")
@click.argument("count", type=int)
def main(login_url: str, address: str, count: int) -> None:
    """Read COUNT events, print how many came per second once the connection was warm, and wait to be ended."""
    rate = asyncio.run(asyncio.wait_for(_read(_metadata(login_url), address, count), _PATIENCE_S))
    print(f"ready rate={rate}", flush=True)
    signal.pause()  # until whoever started it has read that


async def _read(metadata: tuple[tuple[str, str], ...], address: str, count: int) -> float:
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = PubSubStub(channel).Subscribe(metadata=metadata)  # type: ignore[no-untyped-call]  # generated without types
        await call.write(pb.FetchRequest(topic_name=TOPIC, replay_preset=pb.EARLIEST, num_requested=CREDIT))
        received, first, began_s = 0, 0, 0.0
        connecting = count * _CONNECTING_SHARE
        while received < count:
            response = await call.read()
            if response is grpc.aio.EOF:
                raise MeasurementError(f"the stream at {address} ended after {received} of {count} events")
            received += len(response.events)
            if not began_s and received >= connecting:
                began_s, first = time.monotonic(), received
            await call.write(pb.FetchRequest(num_requested=len(response.events)))
        call.cancel()
        return (received - first) / (time.monotonic() - began_s)


def _metadata(login_url: str) -> tuple[tuple[str, str], ...]:
    form = {
        "grant_type": "client_credentials",
        "client_id": "byoc-streams",
        "client_secret": "byoc-simulator-secret",
    }
    body = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"{login_url}/services/oauth2/token", data=body, timeout=_PATIENCE_S) as reply:
        token = json.load(reply)
    return (
        ("accesstoken", token["access_token"]),
        ("instanceurl", token["instance_url"]),
        ("tenantid", token["id"].split("/")[-2]),
    )


if __name__ == "__main__":
    main()
