from tests.contracts.fixtures import (
    databases,
    empty_world,
    new_database,
    new_lasting_database,
    open_store,
    store,
    world,
)

__all__ = [
    "databases",
    "empty_world",
    "new_database",
    "new_lasting_database",
    "open_store",
    "store",
    "world",
]
