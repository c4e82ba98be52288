"""Marks that a call puts into its own response for the fault proxy in front of it. Pure.

Only the proxy can break a stream below gRPC, and only the call knows when. So the call sends a message that no client
ever sees: the proxy finds the secret in it, takes it out, and does what it says to this stream or connection.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_LAYOUT: Final = struct.Struct(">BI")


class MarkKind(IntEnum):
    """What the proxy does."""

    RESET = 1
    GOAWAY = 2
    CUT = 3
    BLACK_HOLE = 4


@dataclass(frozen=True, slots=True)
class FaultMark:
    """An order to the fault proxy; `http2_error` is for those that carry an error code."""

    kind: MarkKind
    http2_error: int = 0

    def encode(self, secret: bytes) -> bytes:
        """Return the bytes to send in place of a response; `secret` tells the proxy that they are a mark."""
        return secret + _LAYOUT.pack(self.kind, self.http2_error)


def find_mark(data: bytes, secret: bytes) -> tuple[int, FaultMark] | None:
    """Return where a mark begins in a piece of a response, and the mark. It is too short ever to be split."""
    at = data.find(secret)
    if at < 0:
        return None
    kind, code = _LAYOUT.unpack_from(data, at + len(secret))
    return at, FaultMark(MarkKind(kind), code)
