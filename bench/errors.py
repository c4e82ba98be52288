"""What can go wrong in a measurement."""

from byoc.errors import ByocError


class MeasurementError(ByocError):
    """A number could not be measured, or what was measured did not do its work exactly once."""
