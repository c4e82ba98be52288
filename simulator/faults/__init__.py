"""The faults that can be ordered, which of them is due, and the errors that RPCs end with. Pure."""
