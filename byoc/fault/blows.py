"""Deal one blow to a running system and put the part back."""

import re
import time
from collections.abc import Callable

from byoc.fault.schedule import Blow, Round
from byoc.system.child import Child
from byoc.system.system import System

ZOMBIE_ENDS_S = 20.0  # a fenced worker notices at its next commit; it is killed when it never does
_GENERATION = re.compile(rb"^assigned generation=(\d+)", re.MULTILINE)


class Blows:
    """Deals blows and counts them."""

    def __init__(self, system: System, tell: Callable[[str], None]) -> None:
        self._system = system
        self._tell = tell
        self.kills = 0

    def deal(self, number: int, blow: Round) -> None:
        """Break a part and wait until it serves again."""
        time.sleep(blow.before_s)
        child = self._system.children[blow.part]
        match blow.blow:
            case Blow.KILL:
                child.kill()
                self.kills += 1
                self._again(blow.part)
                outcome = "back"
            case Blow.RESTART:
                outcome = f"ended with {child.stop()}, back"
                self._again(blow.part)
            case Blow.FREEZE:
                child.pause()
                time.sleep(blow.frozen_s)
                child.resume()
                outcome = self._end_zombie(child)
                self._again(blow.part)
            case Blow.REPLACE:
                child.pause()
                self._again(blow.part)
                child.resume()
                outcome = self._end_zombie(child)
        self._tell(f"round {number}: {blow.blow} {blow.part}: {outcome}")

    def _again(self, part: str) -> None:
        if part == "connect":
            self._system.launch_connect()
            self._system.await_connect()
        else:
            self._system.launch_streams(part)
            self._system.await_streams(part)

    def _end_zombie(self, zombie: Child) -> str:
        """A zombie must find out by itself that it was replaced, before it does harm; how it ended, in words."""
        deadline = time.monotonic() + ZOMBIE_ENDS_S
        while time.monotonic() < deadline and zombie.is_running():
            time.sleep(0.1)
        if zombie.is_running():  # a streams worker that has joined again lives on
            zombie.kill()
            self.kills += 1
            return "zombie lived on, killed"
        return f"zombie ended with {zombie.process.returncode}"

    def revive(self) -> None:
        """Start again what ended by itself: a worker that lost a transaction ends, and its supervisor restarts it."""
        for child in self._system.ended():
            self._tell(f"{child.name} ended with {child.process.returncode}: {child.last_words()}; started again")
            self._again(child.name)

    def rebalances(self) -> int:
        """Generations of the streams workers' group, from their logs."""
        logs = [self._system.children[name].log_file.read_bytes() for name in self._system.streams_names()]
        return len({generation for log in logs for generation in _GENERATION.findall(log)})
