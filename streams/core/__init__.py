"""The domain's rules, pure: one record and the state it finds in, what changes and what leaves out."""
