"""What every sink needs: the task, order within a key, what may be committed, dead letters, metrics."""
