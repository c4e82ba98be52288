"""One org in memory: its event log, ledger, tokens, allocations, managed subscriptions and open calls. Pure."""
