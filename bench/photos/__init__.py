"""The media host beside thumbor, in one run on the same photographs: `python -m bench.photos`.

thumbor is run as its documentation recommends it: its own Pillow engine, results stored in files,
one process for each core. Both servers are started anew for each figure, with empty caches, and
take turns, so that a noisy minute hurts both alike; what is compared are ratios within a round.
"""
