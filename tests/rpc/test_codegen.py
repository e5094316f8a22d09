"""The generator: Sunwire's own modules are fresh, and a user's folder gets the same."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from rpc.codegen import HEADER, OWN, STUBS, main, snake
from rpc.policy import limits_of, policy_of
from rpc.proto import models_pb2

SHARED = """
syntax = "proto3";
package codegentest.v1;
message Size { int32 width = 1; }
"""
PAINT = """
syntax = "proto3";
package codegentest.v1;
import "rpc/proto/options.proto";
import "rpc/proto/models.proto";
import "codegentest/proto/models.proto";
import "google/protobuf/empty.proto";

// Paints.
service Paint {
  // Covers something.
  rpc CoverIt(CoverRequest) returns (sunwire.v1.User) {
    option (sunwire.v1.policy) = {mutating: true};
  }
  rpc Look(google.protobuf.Empty) returns (Size) { option (sunwire.v1.policy) = {inline: true}; }
}
message CoverRequest { string color = 1 [(sunwire.v1.limits) = {max_len: 7}]; }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's project, with the present folder and the imports at its root."""
    protos = tmp_path / "codegentest" / "proto"
    protos.mkdir(parents=True)
    (protos / "models.proto").write_text(SHARED)
    (protos / "paint.proto").write_text(PAINT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return protos


def run(folder: Path, *flags: str) -> int:
    return main(["--proto", str(folder), *flags])


def test_the_committed_modules_are_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # it does not matter from where
    before = {path.name: path.stat().st_mtime_ns for path in OWN.folder.iterdir()}
    assert main(["--check"]) == 0
    assert {path.name: path.stat().st_mtime_ns for path in OWN.folder.iterdir()} == before


def test_a_users_folder_gets_modules_and_typed_stubs(folder: Path) -> None:
    assert run(Path("codegentest/proto")) == 0
    stubs = importlib.import_module("codegentest.proto.stubs")
    service = stubs.PaintService
    assert service.__doc__ == "Paints."
    assert service.cover_it.__doc__ == "Covers something."
    assert service.cover_it.__annotations__["return"].endswith("models_pb2.User")
    cover, look = service.DESCRIPTOR.methods
    assert policy_of(cover).mutating
    assert policy_of(look).inline
    assert limits_of(cover.input_type.fields_by_name["color"]).max_len == 7
    assert hasattr(stubs.PaintClient, "cover_it")
    # Two files named models.proto do not hide each other.
    names = {name for name in vars(stubs) if name.endswith("models_pb2")}
    assert len(names) == 2
    assert models_pb2 in [vars(stubs)[name] for name in names]


def test_check_tells_stale_missing_and_leftover_files(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--check") == 1
    assert "codegentest/proto/paint_pb2.py " in capsys.readouterr().out
    assert not (folder / "paint_pb2.py").exists()
    assert run(folder) == 0
    assert run(folder, "--check") == 0
    (folder / "paint_pb2.pyi").write_text("# by hand")
    assert run(folder, "--check") == 1
    assert run(folder) == 0
    (folder / "old_pb2.py").write_text("")
    assert run(folder, "--check") == 1
    assert run(folder) == 0
    assert not (folder / "old_pb2.py").exists()
    assert run(folder, "--check") == 0


def test_what_was_not_generated_is_left_alone(folder: Path) -> None:
    (folder / STUBS).write_text("mine = 1\n")
    (folder / "service.py").write_text("mine = 2\n")
    with pytest.raises(SystemExit, match="not generated"):
        run(folder)
    assert (folder / STUBS).read_text() == "mine = 1\n"
    (folder / STUBS).unlink()
    assert run(folder) == 0
    assert (folder / STUBS).read_text().startswith(HEADER)
    assert (folder / "service.py").read_text() == "mine = 2\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("service S { rpc A(Out.In) returns (Out); } message Out { message In {} }", "within"),
        ("service S { rpc A(Out) returns (stream Out); } message Out {}", "no streams"),
        ("message Broken {", "protoc failed"),
    ],
)
def test_what_cannot_be_served_is_refused(folder: Path, text: str, problem: str) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "bad.proto").write_text('syntax = "proto3"; package codegenbad.v1; ' + text)
    with pytest.raises(SystemExit, match=problem):
        run(folder)
    assert [path.name for path in folder.iterdir()] == ["bad.proto"]


def test_folders_that_cannot_be_packages_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="there are no"):
        run(tmp_path)
    with pytest.raises(SystemExit, match="not below"):
        run(OWN.folder)
    odd = tmp_path / "my-protos"
    odd.mkdir()
    (odd / "a.proto").write_text(SHARED)
    with pytest.raises(SystemExit, match="cannot be a Python package"):
        run(odd)


def test_handlers_are_named_by_words() -> None:
    assert [snake(name) for name in ("SendMessage", "Home", "GetURLs")] == [
        "send_message",
        "home",
        "get_urls",
    ]
