"""Seeded defects: a fault put into the product on purpose, which exactly one check must notice.

Each part of `tests/security` has a `defects.py` with `DEFECTS`. Every check of the part runs once as the product is,
and once under its own defects, which must make it fail: so a check that proves nothing shows. In `make soak` it runs
under every other defect of the part as well and must still pass: so a check that fails for the wrong reason shows too.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, TypeAlias

import pytest

__all__ = ["Defect", "Plant", "defects_of", "replaced", "wrapped"]

Plant: TypeAlias = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Defect:
    """One fault. `caught_by`: the test that must fail under it. `plant`: puts it in, until the test ends."""

    name: str
    caught_by: str
    plant: Plant


def replaced(owner: object, name: str, value: object) -> Plant:
    """A name of the product stands for something else."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(owner, name, value)

    return plant


def wrapped(owner: type, name: str, wrap: Callable[..., Any]) -> Plant:
    """A method stands behind another, which is handed it."""
    sound = getattr(owner, name)

    def defective(self: Any, *args: Any, **named: Any) -> Any:
        return wrap(sound, self, *args, **named)

    return replaced(owner, name, defective)


@cache
def defects_of(module: str) -> tuple[Defect, ...]:
    """The defects of the part a test module belongs to."""
    part: ModuleType = importlib.import_module(f"{module.rpartition('.')[0]}.defects")
    defects: tuple[Defect, ...] = part.DEFECTS
    return defects
