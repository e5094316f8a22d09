"""Processes for work that may crash, hang or eat memory, and the queues before them."""
