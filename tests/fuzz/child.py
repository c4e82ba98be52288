"""The inputs of one target, one after the other, in a process of its own: a crash or a hang ends it and nothing else.

The input that is under way stands in a file that the parent shares.
"""

import logging
import mmap
import resource
import struct
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.fuzz.table import TARGETS
from tests.fuzz.target import Target

SLOWEST_S = 1.0  # of the process's CPU: a busy machine makes no finding
LARGEST_MB = 200.0
ADDRESS_SPACE = 3 * 2**30  # what asks for more gets a MemoryError
SHARED_BYTES = 8 * 2**20
_HEAD = struct.Struct("<qq")  # number of the input, and its size

ROOT = Path(__file__).resolve().parents[2]


class Found(msgspec.Struct):
    """A finding. `place` is what makes two of them the same: the error's class and the line that raised it."""

    target: str
    place: str
    what: str
    data: bytes
    number: int = -1


class Report(msgspec.Struct):
    """What a child did. `next` is the number of its next input."""

    next: int
    inputs: int
    slowest_ms: float
    peak_mb: float
    seconds: float
    found: list[Found]


class Shared:
    """The input that is under way, in a file that is mapped by both."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SHARED_BYTES)

    def put(self, number: int, data: bytes) -> None:
        """Say which input comes next."""
        kept = data[: SHARED_BYTES - _HEAD.size]
        self._map[_HEAD.size : _HEAD.size + len(kept)] = kept
        self._map[: _HEAD.size] = _HEAD.pack(number, len(kept))

    def get(self) -> tuple[int, bytes]:
        """Number and bytes of the input that is under way; -1 before the first."""
        number, size = _HEAD.unpack(self._map[: _HEAD.size])
        return number, bytes(self._map[_HEAD.size : _HEAD.size + size])


def prepare() -> None:
    """Bounds of this process, and no log lines."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    logging.disable(logging.CRITICAL)


def peak_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def try_one(target: Target, data: bytes) -> tuple[Found | None, float, float]:
    """A finding or None; the CPU seconds, and by how many MB the peak of the process rose."""
    before_mb, began_s = peak_mb(), time.process_time()
    found = None
    try:
        target.one_input(data)
    except Exception as error:  # whatever comes out is the finding
        found = Found(target.name, f"{type(error).__name__} {_place(error)}", _told(error), data)
    took_s, grew_mb = time.process_time() - began_s, peak_mb() - before_mb
    if found is None and took_s > SLOWEST_S:
        found = Found(target.name, "slow", f"took {took_s:.1f} s", data)
    if found is None and grew_mb > LARGEST_MB:
        found = Found(target.name, "large", f"took {grew_mb:.0f} MB", data)
    return found, took_s, grew_mb


def _told(error: Exception) -> str:
    return "".join(traceback.format_exception(error, limit=-6))[-3_000:]


def _place(error: BaseException) -> str:
    """The last line of ours that it came through, in the product if it did."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(str(ROOT)) and ".venv" not in frame.filename
    ]
    ours = [frame for frame in frames if "/tests/" not in frame.filename] or frames
    return f"{Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].name}" if ours else ""


def _numbers(start: int) -> Iterator[int]:
    while True:
        yield start
        start += 1


def run(name: str, *, seed: int, start: int, seconds: float, shared: Shared) -> Report:
    """Try inputs for so many seconds; end early after one that was too large, for its memory is not given back."""
    target = TARGETS[name]
    corpus = target.seeds()
    for data in corpus[:1]:
        try_one(target, data)  # what is imported or made at the first use is nobody's finding
    report = Report(next=start, inputs=0, slowest_ms=0.0, peak_mb=0.0, seconds=0.0, found=[])
    places = set[str]()
    began_s = time.monotonic()
    for number in _numbers(start):
        report.seconds = time.monotonic() - began_s
        if report.seconds >= seconds:
            break
        data = target.input_at(seed, number, corpus)
        shared.put(number, data)
        found, took_s, grew_mb = try_one(target, data)
        report.inputs += 1
        report.next = number + 1
        report.slowest_ms = max(report.slowest_ms, took_s * 1_000)
        report.peak_mb = max(report.peak_mb, grew_mb)
        if found is not None and found.place not in places:
            places.add(found.place)
            found.number = number
            report.found.append(found)
        if grew_mb > LARGEST_MB:
            break
    return report
