"""The event log at work: the batcher that writes it and the consumers that read it."""
