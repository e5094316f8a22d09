"""Flags, the environment and a file feed the same settings, in this order of precedence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest

from realtime.__main__ import app
from realtime.fitting import limits_of
from realtime.settings import Settings

OTHER: dict[str, Any] = {
    "listen": "0.0.0.0:1",
    "media": "[::1]:2",
    "ops": "localhost:3",
    "data": Path("/somewhere"),
    "store": "mysql://ann:secret@db/sunwire",
    "blobs": "cassandra://ann:secret@db/media",
    "old_blobs": "folder",
    "migrate": "check",
    "redis": "redis://:secret@here:1/2",
    "log_copy": "kafka://here:1,there:2/log",
    "log_keep": 7.5,
    "log_archive": "/archive",
    "media_url": "https://media.example.org/m",
    "log_level": "error",
    "log_format": "console",
    "grace": 1.5,
    "readers": 7,
    "workers": 3,
    "transport": "portable",
    "heartbeat": 12.5,
    "handshake": 3.5,
    "stall": 4.5,
    "max_connections": 17,
    "calls_per_second": 8.5,
    "calls_burst": 9.5,
    "sensitive_per_minute": 10.5,
    "max_upload": 18,
    "quota": 20,
    "home_posts": 23,
    "home_followers": 24,
    "home_days": 25,
    "image_workers": 4,
    "video_workers": 2,
    "cache": "/disk1:/disk2",
    "cache_bytes": 19,
    "cache_memory": 21,
    "requests_per_second": 11.5,
    "requests_burst": 13.5,
    "proxies": "192.0.2.0/24",
    "origins": "https://app.example.org",
}
"""A value for each setting that is not its default."""

Served = Callable[..., Settings]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Served:
    """Runs the command line in a folder of its own; the settings that a server would get."""

    def run(*arguments: str) -> Settings:
        got: list[Settings] = []
        monkeypatch.setattr("realtime.serving.serve", got.append)
        with pytest.raises(SystemExit) as left:
            app.meta(arguments)
        assert left.value.code in (0, None)
        (settings,) = got
        return settings

    monkeypatch.chdir(tmp_path)
    for name in OTHER:
        monkeypatch.delenv(variable(name), raising=False)
    return run


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    return "SUNWIRE_" + name.upper()


def line(name: str, value: Any) -> str:
    """As it stands in a file."""
    plain = isinstance(value, int | float)
    return f"{name} = {value}\n" if plain else f"{name} = {str(value)!r}\n"


def test_every_setting_is_in_these_tests_with_another_value_than_its_default() -> None:
    assert {field.name for field in fields(Settings)} == set(OTHER)
    for name, value in asdict(Settings()).items():
        assert OTHER[name] != value
        assert type(OTHER[name]) is type(value) or isinstance(value, Path)


def test_without_a_word_the_defaults_hold(served: Served) -> None:
    assert served("serve") == Settings()


def test_flags_feed_every_setting(served: Served) -> None:
    words = [word for name, value in OTHER.items() for word in (flag(name), str(value))]
    assert served("serve", *words) == Settings(**OTHER)


def test_the_environment_feeds_every_setting(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OTHER.items():
        monkeypatch.setenv(variable(name), str(value))
    assert served("serve") == Settings(**OTHER)


@pytest.mark.parametrize("file", ["sunwire.toml", "elsewhere/own.toml"])
def test_a_file_feeds_every_setting(served: Served, tmp_path: Path, file: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(line(name, value) for name, value in OTHER.items()))
    words = () if file == "sunwire.toml" else ("--config", file)
    assert served(*words, "serve") == Settings(**OTHER)


def test_a_flag_wins_over_the_environment_which_wins_over_the_file(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sunwire.toml").write_text("readers = 1\ngrace = 1.0\nstall = 1.0\n")
    monkeypatch.setenv("SUNWIRE_READERS", "2")
    monkeypatch.setenv("SUNWIRE_GRACE", "2.0")
    settings = served("serve", "--readers", "3")
    assert (settings.readers, settings.grace, settings.stall) == (3, 2.0, 1.0)
    assert settings == Settings(readers=3, grace=2.0, stall=1.0)


@pytest.mark.parametrize("name", OTHER)
def test_each_setting_has_this_precedence(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    default = getattr(Settings(), name)
    (tmp_path / "sunwire.toml").write_text(line(name, OTHER[name]))
    assert getattr(served("serve"), name) == OTHER[name]
    monkeypatch.setenv(variable(name), str(default))
    assert getattr(served("serve"), name) == default
    assert getattr(served("serve", flag(name), str(OTHER[name])), name) == OTHER[name]


def test_the_named_file_is_read_instead_of_the_usual_one(served: Served, tmp_path: Path) -> None:
    (tmp_path / "sunwire.toml").write_text("readers = 1\ngrace = 1.0\n")
    (tmp_path / "own.toml").write_text("readers = 2\n")
    assert served("--config", "own.toml", "serve") == Settings(readers=2)


def test_the_folders_lie_in_the_data_folder() -> None:
    settings = Settings(data=Path("/somewhere"))
    assert settings.database == Path("/somewhere/sunwire.db")
    assert settings.blob_folder == Path("/somewhere/blobs")
    assert settings.cache_folders == (Path("/somewhere/cache"),)
    several = Settings(cache="/disk1/cache:/disk2/cache")
    assert several.cache_folders == (Path("/disk1/cache"), Path("/disk2/cache"))


def test_what_clients_may_do_follows_the_settings() -> None:
    limits = limits_of(Settings(**OTHER))
    assert (limits.gateway.heartbeat, limits.gateway.max_connections) == (12.5, 17)
    assert (limits.gateway.handshake_timeout, limits.gateway.hello_timeout) == (3.5, 3.5)
    assert limits.gateway.send_timeout == 4.5
    assert limits.calls.user_rate == (8.5, 9.5)
    assert limits.calls.sensitive_rate.per_second == pytest.approx(10.5 / 60)
