"""A Cassandra cluster from Trio: the driver runs its own thread, and its answers are handed over.

Connecting and preparing block, so they have a thread; a request blocks nobody, and a task that
is cancelled stops waiting for its answer, which is then dropped.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import outcome
import trio
from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    RequestExecutionException,
    Unauthorized,
    UnsupportedOperation,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    ResponseFuture,
    ResultSet,
    Session,
)
from cassandra.connection import ConnectionException
from cassandra.policies import (
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
)
from cassandra.protocol import ErrorMessage
from cassandra.query import BoundStatement, PreparedStatement, tuple_factory

from store.blobs.cassandra.address import Address
from store.errors import Incompatible, StoreError, Unavailable

OLDEST = (4, 0)
SPECULATE = 0.3  # seconds after which a second node is asked, too, what may be asked twice

Row = tuple[Any, ...]

_FAILURES = (
    DriverException,
    RequestExecutionException,
    NoHostAvailable,
    ConnectionException,
    ErrorMessage,  # what the driver has no exception for, such as a conditional write in doubt
    OSError,
)
_REFUSALS = (AuthenticationFailed, Unauthorized, InvalidRequest, UnsupportedOperation)


# An answered request of the driver lies in a circle with its timer until the garbage collector
# comes, which may be after a thousand more. What it carried must not lie there.


def _unload(bound: BoundStatement) -> None:
    """Once it is answered: whoever sends it again would send nothing."""
    bound.values.clear()  # the message has the same list
    bound.raw_values = ()


def _unloaded(rows: list[Any] | None) -> list[Any]:
    """What is in the driver's list, which is empty then."""
    taken = list(rows or ())
    if isinstance(rows, list):
        rows.clear()
    return taken


class Cassandra:
    """A connected cluster. `in_flight` bounds the requests that wait for an answer; each waits
    `deadline` seconds at most. Raises `Unavailable` for what may pass, `Incompatible` for what
    the cluster refuses."""

    def __init__(self, address: Address, *, in_flight: int = 128, deadline: float = 10.0) -> None:
        self.address = address
        self._slots = trio.CapacityLimiter(in_flight)
        self._deadline = deadline
        profile = ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(
                DCAwareRoundRobinPolicy(local_dc=address.datacenter)
            ),
            request_timeout=deadline,
            row_factory=tuple_factory,
            speculative_execution_policy=ConstantSpeculativeExecutionPolicy(SPECULATE, 1),
        )
        self._cluster = Cluster(
            list(address.hosts),
            port=address.port,
            protocol_version=5,  # of 4.0 and later
            auth_provider=PlainTextAuthProvider(address.user, address.password)
            if address.user
            else None,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            connect_timeout=deadline,
            control_connection_timeout=deadline,
        )
        self._session: Session

    async def connect(self) -> None:
        try:
            self._session = await self._in_thread(self._cluster.connect)
            version = (await self.run("SELECT release_version FROM system.local"))[0][0]
        except BaseException:
            with trio.CancelScope(shield=True):
                await self.aclose()
            raise
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            await self.aclose()
            raise Incompatible(f"Cassandra {version} is too old: 4.0 is the least")

    async def aclose(self) -> None:
        await trio.to_thread.run_sync(self._cluster.shutdown)

    async def _in_thread(self, fn: Any, *args: Any) -> Any:
        try:
            return await trio.to_thread.run_sync(partial(fn, *args), limiter=self._slots)
        except (*_FAILURES, *_REFUSALS) as error:
            raise self._mapped(error) from error

    async def run(self, cql: str) -> list[Row]:
        """A statement without parameters, such as one that makes a table; the driver waits
        until all nodes agree on the tables."""
        found = await self._in_thread(self._session.execute, cql)
        return list(found)

    async def prepare(self, cql: str, *, repeatable: bool = False) -> PreparedStatement:
        """`repeatable`: it may be sent twice, so that a node that is slow to answer is not
        waited for."""
        prepared = await self._in_thread(self._session.prepare, cql)
        prepared.is_idempotent = repeatable
        return prepared

    async def execute(
        self,
        statement: PreparedStatement,
        values: Sequence[Any],
        consistency: int,
        *,
        host: Any = None,
    ) -> list[Row]:
        """One request and its rows. With `host`, that node alone is asked. What is not repeatable
        is sent once: who gets `Unavailable` for it does not know whether it was done."""
        bound = statement.bind(values)
        if not bound.is_idempotent:
            bound.retry_policy = FallthroughRetryPolicy()  # else the driver asks the next node
        bound.consistency_level = consistency
        bound.serial_consistency_level = ConsistencyLevel.LOCAL_SERIAL
        async with self._slots:
            try:
                _, rows = await self._ask(partial(self._session.execute_async, bound, host=host))
            except StoreError:
                _unload(bound)
                raise
            _unload(bound)
            return rows

    async def pages(
        self, statement: PreparedStatement, values: Sequence[Any], consistency: int, size: int
    ) -> AsyncGenerator[list[Row], None]:
        """The rows of a long answer, `size` at a time."""
        state: bytes | None = None
        while True:
            bound = statement.bind(values)
            bound.consistency_level = consistency
            bound.fetch_size = size
            async with self._slots:
                future, rows = await self._ask(
                    partial(self._session.execute_async, bound, paging_state=state)
                )
            yield rows
            state = ResultSet(future, rows).paging_state
            if not state:
                return

    def replicas(self, statement: PreparedStatement, values: Sequence[Any]) -> list[Any]:
        """The nodes that have the row which the values name."""
        key = statement.bind(values).routing_key
        return list(self._cluster.metadata.get_replicas(self.address.keyspace, key))

    async def _ask(self, send: Any) -> tuple[ResponseFuture, list[Row]]:
        token, task = trio.lowlevel.current_trio_token(), trio.lowlevel.current_task()
        waiting = True

        def hand_over(answer: outcome.Outcome[list[Row]]) -> None:  # in the driver's thread
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(resume, answer)

        def resume(answer: outcome.Outcome[list[Row]]) -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                trio.lowlevel.reschedule(task, answer)

        def abort(_: Any) -> trio.lowlevel.Abort:
            nonlocal waiting
            waiting = False
            return trio.lowlevel.Abort.SUCCEEDED

        try:
            future = send()
            future.add_callbacks(
                lambda rows: hand_over(outcome.Value(_unloaded(rows))),
                lambda error: hand_over(outcome.Error(error)),
            )
            return future, await trio.lowlevel.wait_task_rescheduled(abort)
        except (*_FAILURES, *_REFUSALS) as error:
            raise self._mapped(error) from error

    def _mapped(self, error: Exception) -> Unavailable | Incompatible:
        causes = list(error.errors.values()) if isinstance(error, NoHostAvailable) else [error]
        for cause in causes:
            if isinstance(cause, AuthenticationFailed):
                return Incompatible(f"Cassandra at {self.address} refuses the user or password")
            if isinstance(cause, _REFUSALS):
                return Incompatible(f"Cassandra at {self.address} refuses: {cause}")
        if isinstance(error, NoHostAvailable):
            return Unavailable(f"no node of Cassandra at {self.address} can be reached")
        return Unavailable(f"Cassandra at {self.address} failed: {error}")
