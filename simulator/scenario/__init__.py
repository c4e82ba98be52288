"""Invented conversations, played against an org."""
