"""What the processes of one server say to each other, where one of them writes.

The writer has a `Switchboard`, each other process a `Link` to it: changes and what is written
outside the log go one way, outcomes and every committed entry the other, and signals between
all. A link that breaks loses no promise: what was handed over is unknown, what was not waits.
"""
