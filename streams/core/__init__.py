"""The rules of the domain, without I/O: a function from a record and the state to what changes and what is sent."""
