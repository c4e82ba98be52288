"""Files with message texts or secrets: only their owner may read them, from the moment they exist."""

import os
from io import BufferedWriter
from pathlib import Path
from typing import Final

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can enter, with the folders above it; one that exists is left as it is.

    Returns the path. Raises `OSError`.
    """
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
    return path


def append_privately(path: Path) -> BufferedWriter:
    """Open a file for appending that only its owner can read; one that exists loses the rights of others.

    Raises `OSError`.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    os.fchmod(descriptor, FILE_MODE)
    return os.fdopen(descriptor, "ab")


def write_privately(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, in the place of what it held. Raises `OSError`."""
    with append_privately(path) as file:
        file.truncate(0)
        file.write(content)
