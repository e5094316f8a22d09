"""Persistence: records, changes, queries and the backends that run them.

Nothing here imports anything above it, and nothing here knows protobuf.
"""
