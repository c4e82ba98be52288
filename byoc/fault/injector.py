"""Break one worker of a running system, and start it again."""

import re
import time
from collections.abc import Callable

from byoc.fault.schedule import Fault, Round
from byoc.system.child import Child
from byoc.system.http import get_json
from byoc.system.system import System

ZOMBIE_ENDS_S = 20.0  # a fenced worker notices at its next commit; it is killed when it never does
ANSWER_S = 20.0  # longer than a worker that has just come back takes to join its group and catch up
ANSWER_LOOK_S = 0.01  # offsets are committed every 0.5 s
_GENERATION = re.compile(rb"^assigned generation=(\d+)", re.MULTILINE)


class FaultInjector:
    """Injects the faults of a schedule and counts the processes that it killed."""

    def __init__(self, system: System, tell: Callable[[str], None]) -> None:
        """`tell` prints one line."""
        self._system = system
        self._tell = tell
        self.kills = 0

    def inject(self, number: int, planned: Round) -> None:
        """Break a worker and wait until it serves again. `number` is the number of the round."""
        time.sleep(planned.before_s)
        child = self._system.children[planned.part]
        match planned.fault:
            case Fault.KILL:
                child.kill()
                self.kills += 1
                self._restart(planned.part)
                outcome = "back"
            case Fault.KILL_AT_ANSWER:
                came = self._await_answer()
                child.kill()
                self.kills += 1
                self._restart(planned.part)
                outcome = "back" if came else f"back, but no answer came in {ANSWER_S:g} s"
            case Fault.RESTART:
                outcome = f"ended with {child.stop()}, back"
                self._restart(planned.part)
            case Fault.FREEZE:
                child.pause()
                time.sleep(planned.frozen_s)
                child.resume()
                outcome = self._end_zombie(child)
                self._restart(planned.part)
            case Fault.REPLACE:
                child.pause()
                self._restart(planned.part)
                child.resume()
                outcome = self._end_zombie(child)
        self._tell(f"round {number}: {planned.fault} {planned.part}: {outcome}")

    def _await_answer(self) -> bool:
        """Wait until Salesforce has taken or refused a `routingResult`; False when none came in time."""
        deadline = time.monotonic() + ANSWER_S
        before = self._answers()
        while time.monotonic() < deadline:
            time.sleep(ANSWER_LOOK_S)
            now = self._answers()
            if now > before:
                return True
            before = now  # fewer when an accepted request was cancelled
        return False

    def _answers(self) -> int:
        stats = get_json(f"{self._system.simulator_url}/v1/stats")
        return int(stats["routing"]["routed"] + stats["routing"]["refused"] + stats["rejected_answers"])

    def _restart(self, part: str) -> None:
        if part == "connect":
            self._system.launch_connect()
            self._system.await_connect()
        else:
            self._system.launch_streams(part)
            self._system.await_streams(part)

    def _end_zombie(self, zombie: Child) -> str:
        """Wait until a zombie ends by itself, because Kafka fences it; return how it ended, in words."""
        deadline = time.monotonic() + ZOMBIE_ENDS_S
        while time.monotonic() < deadline and zombie.is_running():
            time.sleep(0.1)
        if zombie.is_running():  # a streams worker that has joined again lives on
            zombie.kill()
            self.kills += 1
            return "zombie lived on, killed"
        return f"zombie ended with {zombie.process.returncode}"

    def restart_ended(self) -> None:
        """Start the workers again that ended by themselves, as a supervisor does after a lost transaction."""
        for child in self._system.ended():
            self._tell(f"{child.name} ended with {child.process.returncode}: {child.last_words()}; started again")
            self._restart(child.name)

    def rebalances(self) -> int:
        """Return how many generations the group of the streams workers had, by their logs."""
        logs = [self._system.children[name].log_file.read_bytes() for name in self._system.streams_names()]
        return len({generation for log in logs for generation in _GENERATION.findall(log)})
