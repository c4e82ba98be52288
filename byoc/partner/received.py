"""What the channel has received: a file with one JSON line per accepted request, and the ids of all of them.

The file is the partner's memory: it is read at the start, so that a repeat is known as one after a restart, too. It
holds message texts, so only its owner can read it.
"""

from io import BufferedWriter
from pathlib import Path

import msgspec

from byoc.private_files import append_privately, private_folder, write_privately
from schemas.records import Delivery


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted request. `repeat`: the same delivery was accepted before."""

    delivery_id: str
    conversation_id: str
    entry_id: str
    kind: str
    text: str | None
    received_at_ms: int
    repeat: bool


class ReceivedLog:
    """Appends lines to a file. A line is handed to the operating system before the request is answered."""

    def __init__(self, path: Path) -> None:
        """Open the file and read what it holds.

        A last line without its end was left by a crash and never answered: it is cut off. Raises `OSError` when the
        file cannot be opened, `msgspec.DecodeError` when it holds something else.
        """
        self._path = path
        self._seen: set[str] = set()
        self._file = self._open()

    def accept(self, delivery: Delivery, received_at_ms: int) -> Line:
        """Write down a delivery; returns the line."""
        line = Line(
            delivery_id=delivery.delivery_id,
            conversation_id=delivery.conversation_id,
            entry_id=delivery.entry_id,
            kind=delivery.kind,
            text=delivery.text,
            received_at_ms=received_at_ms,
            repeat=delivery.delivery_id in self._seen,
        )
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()
        self._seen.add(delivery.delivery_id)
        return line

    @property
    def distinct(self) -> int:
        """How many different deliveries were accepted."""
        return len(self._seen)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> BufferedWriter:
        private_folder(self._path.parent)
        content = self._path.read_bytes() if self._path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        self._seen.update(line.delivery_id for line in read_lines(whole))
        if len(whole) < len(content):
            write_privately(self._path, whole)
        return append_privately(self._path)


def read_lines(content: bytes) -> list[Line]:
    """Return the lines of a log file's content, oldest first. A last line without its end is still being written."""
    decoder = msgspec.json.Decoder(Line)
    return [decoder.decode(line) for line in content[: content.rfind(b"\n") + 1].splitlines() if line]
