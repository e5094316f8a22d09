"""What one process asks another to run: by name, with arguments and result as they were."""

from __future__ import annotations

import ast
import enum
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from store.changes.base import Op
from store.procedures import (
    Procedure,
    name_of,
    procedure,
    procedure_named,
    procedure_of,
)
from store.queries import codes, guesses, motion, sessions, upload_partials, upload_parts
from store.queries.codes import Verdict
from store.transaction import Transaction

ROOT = Path(__file__).resolve().parents[2]


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


@procedure
async def weigh(
    tx: Transaction, op: Op, parts: Sequence[int], mood: Mood = Mood.GOOD
) -> tuple[Mood, float]:
    return mood, sum(parts) / 2


@procedure
async def count(tx: Transaction) -> dict[str, int]:
    return {}


async def unmarked(tx: Transaction, number: int) -> int:
    return number


OP = Op(scope="u1", key=b"k" * 16, digest=b"\0\xff")


def handed(asked: Procedure, *args: object, **kwargs: object) -> tuple[object, ...]:
    return asked.decode_arguments(asked.encode_arguments(args, kwargs))


def test_arguments_arrive_as_they_were_however_they_are_given() -> None:
    weighing = procedure_of(weigh)
    assert handed(weighing, OP, (1, 2, 3), Mood.BAD) == (OP, [1, 2, 3], Mood.BAD)
    assert handed(weighing, OP, mood=Mood.BAD, parts=[4]) == (OP, [4], Mood.BAD)
    assert handed(weighing, OP, [4]) == (OP, [4], Mood.GOOD)
    assert handed(procedure_of(count)) == ()


def test_wrong_arguments_are_the_callers_fault() -> None:
    with pytest.raises(TypeError):
        procedure_of(weigh).encode_arguments((OP,), {})
    with pytest.raises(TypeError):
        procedure_of(weigh).encode_arguments((OP, [1], object()), {})


def test_arguments_that_do_not_fit_are_refused() -> None:
    for arguments in ((OP, ["1"], Mood.BAD), (OP, [1]), (OP, [1], "awful"), (1, 2, 3)):
        with pytest.raises(msgspec.ValidationError):
            procedure_of(weigh).decode_arguments(msgspec.msgpack.encode(arguments))


def test_results_arrive_as_they_were() -> None:
    weighing = procedure_of(weigh)
    data = weighing.encode_result((Mood.BAD, 1.5))
    assert weighing.decode_result(data) == (Mood.BAD, 1.5)
    judging = procedure_of(codes.judge)
    assert judging.decode_result(judging.encode_result((Verdict.WRONG, 4))) == (Verdict.WRONG, 4)
    assert procedure_of(guesses.take).decode_result(msgspec.msgpack.encode(None)) is None


def test_only_what_is_marked_is_known() -> None:
    assert procedure_named("store.queries.codes.judge").query is codes.judge
    assert procedure_of(sessions.touch).name == name_of(sessions.touch)
    with pytest.raises(TypeError, match="no procedure"):
        procedure_of(unmarked)
    for name in (name_of(unmarked), "os.system", "store.queries.codes.spend", ""):
        with pytest.raises(LookupError):
            procedure_named(name)


def test_another_function_of_the_same_name_is_not_the_procedure() -> None:
    async def impostor(tx: Transaction, parts: Sequence[int]) -> None:
        pass

    impostor.__module__, impostor.__qualname__ = weigh.__module__, weigh.__qualname__
    with pytest.raises(TypeError):
        procedure_of(impostor)


def written(path: Path) -> Iterator[str]:
    """The queries that a file hands to `write` of a call or of the store, by their names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "write"
            and ast.unparse(node.func.value) in ("ctx", "reads", "self._reads")
        ):
            yield ast.unparse(node.args[0]).rpartition(".")[2]


def test_every_write_of_a_service_is_a_procedure() -> None:
    files = [*(ROOT / "rpc").rglob("*.py"), *(ROOT / "media").rglob("*.py")]
    found = {name for path in files for name in written(path)}
    assert found >= {"issue", "withdraw", "judge", "take", "give_back", "end_old_tokens", "touch"}
    known = {
        name
        for module in (codes, guesses, motion, sessions, upload_partials, upload_parts)
        for name in found
        if hasattr(module, name) and procedure_of(getattr(module, name))
    }
    assert found - {"query"} == known
