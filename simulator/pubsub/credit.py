"""Flow control of one Subscribe call: how many events the client still wants. Pure."""

from simulator.faults import rpc_errors

MAX_OUTSTANDING = 100  # per Subscribe call; larger requests are treated as this many


class Credit:
    """Credit of one call; it adds up over requests and never passes 100."""

    def __init__(self) -> None:
        """Begin without credit."""
        self._pending = 0

    @property
    def pending(self) -> int:
        """What the next response reports as `pending_num_requested`."""
        return self._pending

    def request(self, num_requested: int) -> None:
        """Take one FetchRequest. Raises `RpcError` when it asks for no events."""
        if num_requested <= 0:
            raise rpc_errors.num_requested_refused(num_requested)
        self._pending = min(MAX_OUTSTANDING, self._pending + num_requested)

    def spend(self, events: int) -> int:
        """Send that many events; return what is left. Raises `ValueError` when there is less credit than that."""
        if events > self._pending:
            raise ValueError(f"spending {events} credits of {self._pending}")
        self._pending -= events
        return self._pending
