"""Per-user delivery: who receives an entry, live and after a disconnection."""
