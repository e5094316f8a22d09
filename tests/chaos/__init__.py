"""kill -9 at random instants under load, then a check that nothing was lost or doubled.

`python -m tests.chaos --rounds 200 --seed 1` runs it against a real process. A round: people
write to each other, post photographs, like, comment and follow, each through the reference
client with its state and its offline queue on disk; the server is killed in the middle and
started again; now and then a client is dropped too, and begins again from its file. When
every queue is empty, what the server holds and what every client was given are compared with
what was done.

This shows what killed processes do. It cannot show what a power cut does: for that the store
asks for a synced write-ahead log at each commit, which a test asserts.
"""

from tests.chaos.rounds import run

__all__ = ["run"]
