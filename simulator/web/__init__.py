"""Everything over HTTP: logins, the Interaction Service API and the simulator's own calls."""
