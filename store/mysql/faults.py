"""The driver's errors, mapped once: whose fault they are, and what has become of the connection.

StoreError
    Unavailable        passing: the statement failed, the transaction may go on
        Undone         the server has undone the transaction, or may have
            Lost       the connection is of no use any more

An error that has none of these reasons is the statement's own, and is left as it is.
"""

from __future__ import annotations

import errno

from asyncmy.errors import InterfaceError, InternalError, MySQLError

from store.errors import Unavailable


class Undone(Unavailable):
    """Nothing more can be done in this transaction."""


class Lost(Undone):
    """The connection has to be given up. What it was about to do may have been done."""


# Of the client: unreachable, gone away, lost. Of the server: it is being shut down, has aborted
# or killed the connection, or was idle for too long.
_LOST = frozenset(
    {2002, 2003, 2006, 2013, 2055, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927}
    | {4031, 3168}
)
_UNDONE = frozenset({1205, 1213})  # a lock was waited for too long; a deadlock
_PASSING = frozenset(
    {
        *(1317, 1969, 3024),  # interrupted; it took too long
        *(1040, 1203, 1226),  # too many connections, of all or of this user
        *(1021, 1037, 1038, 1041, 1114, 1135),  # the disk or the memory is full
        *(1290, 1836, 1047),  # read-only for now; a node of a cluster that is not ready
        *(1180, 1181, 1030),  # it could not commit, roll back, or read a file
    }
)


def number_of(error: BaseException) -> int:
    """The server's or the client's number of an error; 0: it has none."""
    number = error.args[0] if isinstance(error, MySQLError) and error.args else 0
    return number if isinstance(number, int) else 0


def was_reset(error: MySQLError) -> bool:
    """Of one met in connecting: somebody was there, and hung up."""
    cause = error.__cause__
    # The driver meets a bad descriptor when the reset came before its options of the socket.
    hung_up = isinstance(cause, OSError) and cause.errno in (errno.ECONNRESET, errno.EBADF)
    return hung_up or number_of(error) == 2013


def reason(error: BaseException) -> str:
    """What an error says, in its own words."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    cause = error.__cause__
    if isinstance(error, MySQLError) and isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    if isinstance(error, MySQLError) and len(error.args) > 1:
        return str(error.args[1])
    return str(error) or type(error).__name__


def _is_lost(error: Exception) -> bool:
    if not isinstance(error, MySQLError):
        return True  # of the network, or the driver stumbled: where the stream is nobody knows
    return isinstance(error, InterfaceError | InternalError) or number_of(error) in _LOST


def mapped(error: Exception) -> Exception:
    """What is raised for an error of the driver."""
    kind: type[Unavailable]
    if _is_lost(error):
        kind = Lost
    elif number_of(error) in _UNDONE:
        kind = Undone
    elif number_of(error) in _PASSING:
        kind = Unavailable
    else:
        return error
    return kind(f"the database failed: {reason(error)}")
