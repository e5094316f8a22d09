"""A service of one's own, from its .proto file to its test.

python -m rpc.codegen --proto examples/own_service   # after each change of dice.proto
python -m examples.own_service                       # a server that has it
python -m pytest examples/own_service                # its test, on a server in memory
"""
