"""The subscription protocol: what to do next, decided without I/O."""
