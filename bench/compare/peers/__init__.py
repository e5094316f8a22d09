"""Servers on other libraries that do the same work, each a file to read.

They answer the hello without asking who it is, keep nothing, and have no limits, rates or
metrics: what they leave out is to their advantage. Those in Python and Node speak Sunwire's
frames; centrifuge speaks its own protocol. They run in an environment of their own (see
`bench.compare.builds`).
"""
