"""Sunwire beside other servers, in one run: `python -m bench.compare --help`.

Each server has one core to itself and the load generator (`load/`, in Go) the other. Servers
take turns, row by row and round by round, so that a noisy minute hurts all alike; what is
compared are medians. Every server does the same work for a call (decode the frames, dispatch by
name, decode the request, encode answer and frames), and for fan-out sends the same payload and
may batch as it likes. Sunwire does it in authenticated sessions with all that a node has; the
peers have nothing else to do.
"""
