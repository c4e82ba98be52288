"""The whole system under load while a seeded schedule breaks it, then counted."""
