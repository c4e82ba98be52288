"""What can go wrong with bytes."""


class DecodeError(ValueError):
    """The bytes are not a record of the expected type; the message says what was found. Repeating cannot help."""
