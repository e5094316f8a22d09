"""The handlers, one file a service. They import nothing above `rpc`: what they need of the
running server comes through their constructor as the Protocols of `rpc.context`."""
