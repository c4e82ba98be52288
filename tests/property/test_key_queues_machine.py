"""Order within a conversation, all others beside it, nobody forgotten: for every interleaving."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connectors.sinks.engine.key_queues import KeyQueues

NAMES = st.sampled_from("abcdef")


class KeyQueuesMachine(RuleBasedStateMachine):
    """Conversations get records, records start and finish, in any order."""

    @initialize(max_in_progress=st.integers(1, 4))
    def begin(self, max_in_progress: int) -> None:
        self.max_in_progress = max_in_progress
        self.queues: KeyQueues[str, int] = KeyQueues(max_in_progress)
        self.offered: dict[str, list[int]] = {}
        self.finished: dict[str, list[int]] = {}
        self.in_progress: dict[str, int] = {}
        self.count = 0

    @rule(name=NAMES)
    def offer(self, name: str) -> None:
        self.count += 1
        self.offered.setdefault(name, []).append(self.count)
        self.queues.offer(name, self.count)

    @rule()
    def start(self) -> None:
        started = self.queues.start()
        waiting = {name for name in self.offered if self.left(name) and name not in self.in_progress}
        if started is None:
            assert not waiting or len(self.in_progress) == self.max_in_progress
            return
        name, item = started
        assert name in waiting
        self.in_progress[name] = item

    @precondition(lambda self: self.in_progress)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.in_progress)))
        self.finished.setdefault(name, []).append(self.in_progress.pop(name))
        following = self.queues.finish(name)
        if following is not None:
            self.in_progress[name] = following

    def left(self, name: str) -> list[int]:
        return self.offered[name][len(self.finished.get(name, [])) :]

    @invariant()
    def records_of_a_conversation_finish_in_order_and_none_is_lost(self) -> None:
        for name, items in self.finished.items():
            assert items == self.offered[name][: len(items)]
        assert len(self.queues) == sum(len(self.left(name)) for name in self.offered)

    @invariant()
    def no_more_keys_are_in_progress_than_allowed(self) -> None:
        assert len(self.in_progress) <= self.max_in_progress
        assert self.queues.in_progress == len(self.in_progress)

    def teardown(self) -> None:
        while True:  # everything that was offered comes out in the end
            if self.in_progress:
                name, item = self.in_progress.popitem()
                self.finished.setdefault(name, []).append(item)
                following = self.queues.finish(name)
                if following is not None:
                    self.in_progress[name] = following
            elif (started := self.queues.start()) is not None:
                self.in_progress[started[0]] = started[1]
            else:
                break
        assert self.finished == self.offered


TestKeyQueues = KeyQueuesMachine.TestCase
