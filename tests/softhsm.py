"""Tokens of SoftHSM for tests: a module in this process, and tokens of its own in a folder that goes with the process.

SoftHSM shows tokens made after its start only when it starts anew, which nothing may be open for. So a handful is made
at the first use, and each `new_token` takes the next.
"""

import atexit
import itertools
import os
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
BATCH = 80


@dataclass(frozen=True)
class SoftToken:
    """One initialised token. `pin_path`: a file of mode 0600 with the user PIN."""

    module: Path
    label: str
    pin: str
    pin_path: Path
    folder: Path

    def remove(self) -> None:
        """Take the token away, as if it were pulled out."""
        self.folder.rename(self._outside)

    def put_back(self) -> None:
        """Put the removed token back."""
        self._outside.rename(self.folder)

    @property
    def _outside(self) -> Path:
        return self.folder.parent.parent / f"removed-{self.label}"


class _Rack:
    """The folder of this process's tokens."""

    def __init__(self, module: Path) -> None:
        self.module = module
        self.folder = Path(tempfile.mkdtemp(prefix="meterworks-softhsm-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "tokens").mkdir()
        settings = self.folder / "softhsm2.conf"
        settings.write_text(f"directories.tokendir = {self.folder / 'tokens'}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(settings)
        self._numbers = itertools.count()
        self._free: list[SoftToken] = []

    def take(self) -> SoftToken:
        if not self._free:
            self._free = [self._make(f"test-{number}") for number in itertools.islice(self._numbers, BATCH)]
        return self._free.pop(0)

    def _make(self, label: str) -> SoftToken:
        before = set((self.folder / "tokens").iterdir())
        pin, officer_pin = secrets.token_hex(8), secrets.token_hex(8)
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", officer_pin, "--pin", pin],
            check=True, capture_output=True,
        )  # fmt: skip
        (made,) = set((self.folder / "tokens").iterdir()) - before
        pin_path = self.folder / f"{label}.pin"
        pin_path.touch(0o600)
        pin_path.write_text(f"{pin}\n")
        return SoftToken(self.module, label, pin, pin_path, made)


@cache
def _rack() -> _Rack:
    found = next((Path(name) for name in MODULES if Path(name).exists()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not on this machine: install softhsm2")
    return _Rack(found)


def new_token() -> SoftToken:
    """An empty token that no other test has; the test is skipped where there is no SoftHSM."""
    return _rack().take()
