"""The language that both ends speak: frames, methods, errors, services and the client."""
