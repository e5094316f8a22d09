"""The interactive chat client: a full-screen program for a terminal, on Trio.

`keys`, `editor`, `model`, `screen` and `syntax` are pure; `tty` holds the terminal and `app`
brings them together with a client.
"""
