"""Measures a server from outside: a real process, real sockets, a load generator of its own.

`python -m realtime bench` is its command line. The server and the load each have a core to
themselves where there are two, and the load generator states its own share of a core: near 1
it, and not the server, is what was measured.
"""
