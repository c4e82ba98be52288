"""The fault run: the whole system under load, broken by a seeded schedule, and counted at the end."""
