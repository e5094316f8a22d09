"""What can go wrong in the store, and whose fault it is.

DomainError            the caller asked for something that the rules refuse: final
    NotFound
    Forbidden
    Conflict
    Invalid
    Unauthenticated
    OpKeyReused
    TooMany
    OverQuota
StoreError             the store could not do it: not the caller's fault
    Unavailable        passing (locked, disconnected, shutting down): may be tried again
        OutcomeUnknown only with the same op_keys: it may have been done
    Overloaded         the queue is full: may be tried again
    Incompatible       the database is not one that this version can use: final
        NoTables       it has none yet of those that are wanted: a migration makes them
    Corrupt            stored bytes do not match their digest
"""

from __future__ import annotations


class DomainError(Exception):
    """A refusal that trying again unchanged will not mend.

    `details` goes to the client as it is: never put a secret or another user's data there.
    """

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class NotFound(DomainError):
    """No such row, or none that this caller may know of."""


class Forbidden(DomainError):
    """The row exists and is known to the caller, who may not do this to it."""


class Conflict(DomainError):
    """The present state does not allow it: a taken name, a row that is deleted already."""


class Invalid(DomainError):
    """The request makes no sense whatever the state."""


class Unauthenticated(DomainError):
    """A wrong code or password, or a session that has ended."""


class OpKeyReused(DomainError):
    """The op_key was used before with another request."""


class TooMany(DomainError):
    """Too many attempts; `retry_after_ms` says when the next one may come."""

    def __init__(self, message: str, retry_after_ms: int, **details: str) -> None:
        super().__init__(message, **details)
        self.retry_after_ms = retry_after_ms


class OverQuota(DomainError):
    """There is no room left for the user; `details` says how much he may have and has."""


class StoreError(Exception):
    """The store could not do what was asked; nothing of it is the caller's fault."""


class Unavailable(StoreError):
    """A passing state: locked, disconnected, closing. The same call may go through later."""


class OutcomeUnknown(Unavailable):
    """A commit that was not answered, and nobody could be asked since whether it took place."""


class Overloaded(StoreError):
    """A bounded queue is full."""


class Incompatible(StoreError):
    """A database of another version, or of another program: nothing was changed in it."""


class NoTables(Incompatible):
    """Tables are wanted, and a migration makes them."""


class Corrupt(StoreError):
    """Stored bytes that do not match their digest."""
