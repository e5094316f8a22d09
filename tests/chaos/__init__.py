"""Faults at random instants under load, then a check that nothing was lost or doubled.

`python -m tests.chaos` runs them against real processes. In a round people write to each other,
post photographs, like, comment and follow, each through the reference client with its state and
its offline queue on disk; something befalls the servers in the middle (`tests.chaos.faults`)
and is made good; now and then a client is dropped too, and begins again from its file. When
every queue is empty, what the servers hold and what every client was given are compared with
what was done.

This shows what killed, stopped and cut off processes do. It cannot show what a power cut does:
for that the store asks for a synced write-ahead log at each commit, which a test asserts.
"""

from tests.chaos.rounds import run

__all__ = ["run"]
