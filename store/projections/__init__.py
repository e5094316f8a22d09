"""What consumers make of the log: batch effects, one file each.

They live beside the schema that they write; `realtime.events.consumers` runs them.
"""
