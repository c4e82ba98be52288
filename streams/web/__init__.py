"""The query API on Faust's web server: read-only, answered by the worker that owns the key."""
