"""The socket's side of the server: accept, hello, sessions, outboxes, heartbeats, drain."""
