"""Reads: coroutine functions over a `Transaction`, one file an area."""
