"""`byoc streams` with a clock that stands still: `python -m tests.support.worker_at EPOCH_MS OPTION…`."""

import sys

from streams import clock
from streams.cli import streams

if __name__ == "__main__":
    moment_ms = int(sys.argv[1])
    clock.now_ms = lambda: moment_ms
    streams(sys.argv[2:])
