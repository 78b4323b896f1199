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

import pytest

__all__ = ["Defect", "defects_of"]


@dataclass(frozen=True, slots=True)
class Defect:
    """One fault. `caught_by`: the test that must fail under it. `plant`: puts it in, until the test ends."""

    name: str
    caught_by: str
    plant: Callable[[pytest.MonkeyPatch], None]


@cache
def defects_of(module: str) -> tuple[Defect, ...]:
    """The defects of the part a test module belongs to."""
    part: ModuleType = importlib.import_module(f"{module.rpartition('.')[0]}.defects")
    defects: tuple[Defect, ...] = part.DEFECTS
    return defects
