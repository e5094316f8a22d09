"""Blobs in Cassandra: of several nodes one may die, and nothing is lost or late.

Not imported by `store.blobs`: the driver is an extra.
"""
