"""Order within a conversation, all others beside it, nobody forgotten: for every interleaving."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connectors.sinks.engine.key_queues import Lanes

NAMES = st.sampled_from("abcdef")


class LanesMachine(RuleBasedStateMachine):
    """Conversations get records, records start and finish, in any order."""

    @initialize(max_lanes=st.integers(1, 4))
    def begin(self, max_lanes: int) -> None:
        self.max_lanes = max_lanes
        self.lanes: Lanes[str, int] = Lanes(max_lanes)
        self.offered: dict[str, list[int]] = {}
        self.finished: dict[str, list[int]] = {}
        self.moving: dict[str, int] = {}
        self.count = 0

    @rule(name=NAMES)
    def offer(self, name: str) -> None:
        self.count += 1
        self.offered.setdefault(name, []).append(self.count)
        self.lanes.offer(name, self.count)

    @rule()
    def start(self) -> None:
        started = self.lanes.start()
        waiting = {name for name in self.offered if self.left(name) and name not in self.moving}
        if started is None:
            assert not waiting or len(self.moving) == self.max_lanes
            return
        name, item = started
        assert name in waiting
        self.moving[name] = item

    @precondition(lambda self: self.moving)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.moving)))
        self.finished.setdefault(name, []).append(self.moving.pop(name))
        following = self.lanes.finish(name)
        if following is not None:
            self.moving[name] = following

    def left(self, name: str) -> list[int]:
        return self.offered[name][len(self.finished.get(name, [])) :]

    @invariant()
    def records_of_a_conversation_finish_in_order_and_none_is_lost(self) -> None:
        for name, items in self.finished.items():
            assert items == self.offered[name][: len(items)]
        assert len(self.lanes) == sum(len(self.left(name)) for name in self.offered)

    @invariant()
    def no_more_lanes_move_than_allowed(self) -> None:
        assert len(self.moving) <= self.max_lanes
        assert self.lanes.in_progress == len(self.moving)

    def teardown(self) -> None:
        while True:  # everything that was offered comes out in the end
            if self.moving:
                name, item = self.moving.popitem()
                self.finished.setdefault(name, []).append(item)
                following = self.lanes.finish(name)
                if following is not None:
                    self.moving[name] = following
            elif (started := self.lanes.start()) is not None:
                self.moving[started[0]] = started[1]
            else:
                break
        assert self.finished == self.offered


TestLanes = LanesMachine.TestCase
