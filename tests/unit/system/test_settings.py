"""Layers of settings: precedence, types, origins and refusals."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from meterworks.system.errors import ConfigurationError
from meterworks.system.settings import keys_of, resolve


@dataclass(frozen=True)
class Web:
    host: str = "127.0.0.1"
    port: int = 8080
    secure: bool = False
    ratio: float = 1.5


@dataclass(frozen=True)
class Store:
    folder: Path = Path("var")
    mode: Literal["fast", "safe"] = "safe"
    shards: tuple[int, ...] = (1, 2)
    limit: int | None = None


@dataclass(frozen=True)
class Whole:
    web: Web = field(default_factory=Web)
    store: Store = field(default_factory=Store)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "meterworks.toml"
    path.write_text(text)
    return path


def test_defaults_stand_when_no_layer_speaks():
    resolved = resolve(Whole)
    assert resolved.configuration == Whole()
    assert {origin.source for origin in resolved.origins} == {"default"}


def test_each_layer_wins_over_the_one_below(tmp_path):
    file = write(tmp_path, "[web]\nport = 1\nhost = 'file'\nratio = 2\n")
    resolved = resolve(
        Whole,
        file=file,
        environment={"METERWORKS_WEB_PORT": "2", "METERWORKS_WEB_HOST": "environment", "PATH": "x"},
        command_line={"web.port": 3},
    )
    assert resolved.configuration.web == Web(host="environment", port=3, ratio=2.0)
    sources = {origin.key: origin.source for origin in resolved.origins}
    assert sources["web.port"] == "command line"
    assert sources["web.host"] == "METERWORKS_WEB_HOST"
    assert sources["web.ratio"] == str(file)
    assert sources["web.secure"] == "default"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("web.port", "17", 17),
        ("web.secure", "yes", True),
        ("web.secure", "off", False),
        ("web.ratio", "0.25", 0.25),
        ("store.folder", "elsewhere", Path("elsewhere")),
        ("store.mode", "fast", "fast"),
        ("store.shards", "3, 4,5", (3, 4, 5)),
        ("store.limit", "9", 9),
        ("store.limit", "none", None),
    ],
)
def test_text_becomes_the_annotated_type(key, text, value):
    resolved = resolve(Whole, command_line={key: text})
    assert {origin.key: origin.value for origin in resolved.origins}[key] == value


@pytest.mark.parametrize(
    ("key", "value"),
    [("web.port", "many"), ("web.port", 1.5), ("web.port", True), ("web.secure", "perhaps"), ("store.mode", "slow")],
)
def test_a_value_that_does_not_fit_names_key_and_origin(key, value):
    with pytest.raises(ConfigurationError, match=rf"{key} = .*command line"):
        resolve(Whole, command_line={key: value})


def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path):
    with pytest.raises(ConfigurationError, match=r"did you mean web\.port"):
        resolve(Whole, file=write(tmp_path, "[web]\nprot = 1\n"))
    with pytest.raises(ConfigurationError, match="did you mean METERWORKS_WEB_PORT"):
        resolve(Whole, environment={"METERWORKS_WEB_PROT": "1"})
    with pytest.raises(ConfigurationError, match=r"did you mean store\.folder"):
        resolve(Whole, command_line={"store.foldr": "x"})


def test_the_shared_folder_of_tests_is_a_known_variable():
    assert resolve(Whole, environment={"METERWORKS_SHARED": "anywhere"}).configuration == Whole()


@pytest.mark.parametrize("text", ["[web\n", "port = 1\n", "\x00"])
def test_a_broken_file_is_one_clear_error(tmp_path, text):
    with pytest.raises(ConfigurationError, match=r"meterworks\.toml"):
        resolve(Whole, file=write(tmp_path, text))


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(ConfigurationError, match="does not exist"):
        resolve(Whole, file=tmp_path / "none.toml")


def test_keys_come_in_declared_order():
    assert keys_of(Whole)[:4] == ["web.host", "web.port", "web.secure", "web.ratio"]
