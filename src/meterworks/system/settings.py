"""Layered settings: frozen dataclasses filled from defaults, a TOML file, the environment and the command line.

Each folder has one frozen dataclass of settings; together they are the sections of a configuration. A setting's key is
`section.field`; later layers win: default < file (TOML) < environment (`METERWORKS_SECTION_FIELD`) < command line.
An unknown key is refused with the nearest known one, so that a slip of the pen never goes unnoticed.
"""

import difflib
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from meterworks.system.errors import ConfigurationError

__all__ = ["ENVIRONMENT_PREFIX", "Origin", "Resolved", "keys_of", "resolve"]

ENVIRONMENT_PREFIX = "METERWORKS_"
ENVIRONMENT_KNOWN = frozenset({"METERWORKS_SHARED"})  # read by tests only

C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a setting's value came from: `default`, the file's name, the variable's name or `command line`."""

    key: str
    value: object
    source: str


@dataclass(frozen=True, slots=True)
class Resolved(Generic[C]):
    """A whole configuration and the origin of each of its settings, in declared order."""

    configuration: C
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class _Field:
    section: str
    name: str
    annotation: Any

    @property
    def key(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        return f"{ENVIRONMENT_PREFIX}{self.section}_{self.name}".upper()


def _fields(configuration_type: type[Any]) -> dict[str, _Field]:
    found: dict[str, _Field] = {}
    for section, section_type in typing.get_type_hints(configuration_type).items():
        hints = typing.get_type_hints(section_type)
        for field in fields(section_type):
            if field.init:
                row = _Field(section, field.name, hints[field.name])
                found[row.key] = row
    return found


def keys_of(configuration_type: type[Any]) -> list[str]:
    """All keys of a configuration, in declared order."""
    return list(_fields(configuration_type))


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"; did you mean {close[0]}?" if close else "; see `meterworks config show` for the known ones"


def _read_file(path: Path, known: Mapping[str, _Field]) -> dict[str, object]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"configuration file {path} does not exist", path=str(path)) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"configuration file {path} cannot be read: {error}", path=str(path)) from error
    values: dict[str, object] = {}
    for section, table in content.items():
        if not isinstance(table, dict):
            raise ConfigurationError(f"{path}: {section!r} stands outside a [section]", path=str(path))
        for name, value in table.items():
            key = f"{section}.{name}"
            if key not in known:
                raise ConfigurationError(f"{path}: unknown setting {key}{_nearest(key, known)}", key=key)
            values[key] = value
    return values


def _read_environment(environment: Mapping[str, str], known: Mapping[str, _Field]) -> dict[str, tuple[str, str]]:
    by_variable = {field.variable: key for key, field in known.items()}
    values: dict[str, tuple[str, str]] = {}
    for variable, text in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in ENVIRONMENT_KNOWN:
            continue
        if variable not in by_variable:
            raise ConfigurationError(
                f"unknown environment variable {variable}{_nearest(variable, by_variable)}", key=variable
            )
        values[by_variable[variable]] = (text, variable)
    return values


_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    return _TRUTH[str(value).strip().lower()]


def _number(kind: type[Any], value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("not a number")  # noqa: TRY004  # converted by the one caller
    if kind is int and isinstance(value, float) and not value.is_integer():
        raise ValueError("not a whole number")
    return kind(value)


def _convert(annotation: Any, value: object) -> object:
    """Give `value` (TOML or text) the annotated type; ValueError, KeyError or TypeError if it does not fit."""
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        options = [a for a in typing.get_args(annotation) if a is not type(None)]
        if isinstance(value, str) and value.strip().lower() in ("", "none"):
            return None
        return _convert(options[0], value)
    if origin is typing.Literal:
        allowed = typing.get_args(annotation)
        if value not in allowed:
            raise ValueError(f"not one of {', '.join(map(str, allowed))}")
        return value
    if origin is tuple:
        parts = value.split(",") if isinstance(value, str) else list(typing.cast("Iterable[object]", value))
        return tuple(
            _convert(typing.get_args(annotation)[0], part.strip() if isinstance(part, str) else part) for part in parts
        )
    if annotation is bool:
        return _truth(value)
    if annotation in (int, float):
        return _number(annotation, value)
    return annotation(value)


def resolve(
    configuration_type: type[C],
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    command_line: Mapping[str, object] | None = None,
) -> Resolved[C]:
    """Fill a configuration (a frozen dataclass of sections) from its four layers.

    Raises ConfigurationError for an unknown key, an unreadable file or a value that does not fit its type.
    """
    known = _fields(configuration_type)
    given: dict[str, tuple[object, str]] = {}
    if file is not None:
        given |= {key: (value, str(file)) for key, value in _read_file(file, known).items()}
    given |= _read_environment(environment or {}, known)
    for key, value in (command_line or {}).items():
        if key not in known:
            raise ConfigurationError(f"unknown setting {key}{_nearest(key, known)}", key=key)
        given[key] = (value, "command line")

    sections: dict[str, dict[str, object]] = {}
    for key, (value, source) in given.items():
        field = known[key]
        try:
            converted = _convert(field.annotation, value)
        except (ValueError, KeyError, TypeError) as error:
            kind = getattr(field.annotation, "__name__", str(field.annotation))
            raise ConfigurationError(f"{key} = {value!r} (from {source}) is not a {kind}: {error}", key=key) from error
        sections.setdefault(field.section, {})[field.name] = converted
    hints = typing.get_type_hints(configuration_type)
    built = {section: section_type(**sections.get(section, {})) for section, section_type in hints.items()}
    origins = tuple(
        Origin(
            key=key,
            value=getattr(built[field.section], field.name),
            source=given[key][1] if key in given else "default",
        )
        for key, field in known.items()
    )
    return Resolved(configuration_type(**built), origins)
