"""A day of conversations through the whole system on one machine, counted at the end."""
