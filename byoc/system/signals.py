"""What SIGTERM does to a command that runs the whole system."""

from types import FrameType
from typing import NoReturn


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Handle SIGTERM as Ctrl-C is handled, so that all parts are stopped first."""
    raise KeyboardInterrupt
