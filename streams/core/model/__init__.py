"""The words of the domain: stored values, entries and their types, table keys, limits, and the turn of one record."""
