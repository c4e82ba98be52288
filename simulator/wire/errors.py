"""What can go wrong with an address."""


class PortInUseError(OSError):
    """The address cannot be listened on: another process has it, or it is not one of this machine."""
