from tests.contracts.fixtures import (
    empty_world,
    new_database,
    new_lasting_database,
    open_store,
    store,
    world,
)

__all__ = ["empty_world", "new_database", "new_lasting_database", "open_store", "store", "world"]
