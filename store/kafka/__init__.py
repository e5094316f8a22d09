"""A copy of the log in Kafka, for many readers; the table stays what is true.

The module `topic` needs the package confluent-kafka, the others do not.
"""
