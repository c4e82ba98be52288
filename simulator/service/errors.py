"""How the Interaction Service API refuses a call."""


class CallRejectedError(Exception):
    """The call is malformed, or names nothing that exists. `code` is one of the API's error codes."""

    def __init__(self, code: int, message: str) -> None:
        """`message` is what the reply says."""
        super().__init__(message)
        self.code = code
