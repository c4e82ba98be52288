"""Configuration of workers and connectors: files, declared keys, references to secrets."""
