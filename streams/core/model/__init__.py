"""The words of the domain: stored values, entries, table keys, limits, and the turn of one record."""
