"""HTTP/2 frames for the fault proxy: where one ends, and how to write those that the proxy sends itself. Pure."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # what a client sends before its first frame
CANCEL: Final = 8
_HEADER: Final = struct.Struct(">BHBBI")


class FrameType(IntEnum):
    """The types that are looked at; all others pass as they are."""

    DATA = 0
    RST_STREAM = 3
    GOAWAY = 7


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `raw` is all of it, header included."""

    type: int
    stream: int
    raw: bytes


class FrameReader:
    """Cuts a byte stream into frames. `preface`: bytes that come before the first one."""

    def __init__(self, preface: int = 0) -> None:
        """Begin at the start of a connection."""
        self._buffer = bytearray()
        self._preface = preface

    def feed(self, data: bytes) -> tuple[bytes, list[Frame]]:
        """Take bytes; return the preface once it is complete, and the frames that are complete now."""
        buffer = self._buffer
        buffer += data
        head = b""
        if self._preface:
            if len(buffer) < self._preface:
                return head, []
            head = bytes(buffer[: self._preface])
            del buffer[: self._preface]
            self._preface = 0
        frames = []
        at = 0
        while len(buffer) - at >= _HEADER.size:
            high, low, kind, _, stream = _HEADER.unpack_from(buffer, at)
            end = at + _HEADER.size + (high << 16 | low)
            if len(buffer) < end:
                break
            frames.append(Frame(kind, stream & 0x7FFFFFFF, bytes(buffer[at:end])))
            at = end
        del buffer[:at]
        return head, frames


def rst_stream(stream: int, code: int) -> bytes:
    """Return an RST_STREAM frame with this error code."""
    return _HEADER.pack(0, 4, FrameType.RST_STREAM, 0, stream) + struct.pack(">I", code)


def goaway(last_stream: int, code: int) -> bytes:
    """Return a GOAWAY frame: streams above `last_stream` were not processed."""
    return _HEADER.pack(0, 8, FrameType.GOAWAY, 0, 0) + struct.pack(">II", last_stream, code)


def data_before(frame: Frame, end: int) -> bytes:
    """A DATA frame of what the frame carries before byte `end` of it; nothing when there is nothing."""
    payload = frame.raw[_HEADER.size : end]
    size = len(payload)
    return _HEADER.pack(size >> 16, size & 0xFFFF, FrameType.DATA, 0, frame.stream) + payload if payload else b""
