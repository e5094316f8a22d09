from tests.contracts.fixtures import new_database, new_lasting_database, open_store, store

__all__ = ["new_database", "new_lasting_database", "open_store", "store"]
