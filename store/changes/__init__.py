"""What may change: one dataclass a change, with its keys and its batch apply."""
