"""What the servers on one database tell each other. None of it is durable, and any of it may be
lost: the log has everything that may not."""
