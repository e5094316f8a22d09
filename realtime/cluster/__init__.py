"""`serve --workers N`: several processes are one server.

A supervisor starts the others and holds the data folder: a writer, which alone writes the
database and runs the consumers; N workers, which serve the websockets on one port; and a media
host. They are tied to the writer by `realtime.link`.
"""
