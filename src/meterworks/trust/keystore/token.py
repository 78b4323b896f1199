"""A PKCS#11 token as a vault uses it: one session, found again after a loss, and one call at a time in a module.

python-pkcs11 initialises a module for one thread (C_Initialize without arguments) and lets go of Python's lock in each
call, so a lock of ours stands around every call into a module, whichever vault makes it.
An error that may mean that session or token is gone leads to a fresh session and one second try, but for what makes a
key; when the token is not there then, TokenLostError says so, and the next call looks for it again.
Source: PKCS#11 v2.40, C_Initialize and section 6.7 (sessions end with the removal of their token).
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import pkcs11
from pkcs11.exceptions import PKCS11Error

from meterworks.trust.errors import TokenLostError, VaultLockedError, VaultSettingsError
from meterworks.trust.keystore.vault import SecretSource

__all__ = ["Token", "token_of"]

_Result = TypeVar("_Result")
_PIN_ERRORS: Final = (
    pkcs11.PinIncorrect,
    pkcs11.PinInvalid,
    pkcs11.PinLenRange,
    pkcs11.PinLocked,
    pkcs11.PinExpired,
    pkcs11.UserPinNotInitialized,
)
"""The token says no to the PIN: trying again would lock it."""


class _Module:
    """A loaded PKCS#11 module, the lock around its calls, and how many tokens of it are open in this process."""

    def __init__(self, path: str) -> None:
        self.lock = RLock()
        self.open_count = 0
        try:
            self.library = pkcs11.lib(path)
        except (PKCS11Error, OSError, RuntimeError) as error:
            raise VaultSettingsError(
                f"the PKCS#11 module {path} cannot be loaded: set vault.module to the library of the token's maker",
                module=path,
            ) from error

    def find(self, label: str) -> pkcs11.Token | None:
        """The token of a label. A module sees tokens anew only when it starts anew, which none may be in use for."""
        found = self._search(label)
        if found is None and self.open_count == 0:
            self.library.reinitialize()
            found = self._search(label)
        return found

    def _search(self, label: str) -> pkcs11.Token | None:
        for slot in self.library.get_slots(token_present=True):
            try:
                token = slot.get_token()
            except PKCS11Error:  # the token of another slot may be out of order
                continue
            if token.label == label:
                return token
        return None


@cache
def _module(path: str) -> _Module:
    return _Module(path)


_tokens: Final[WeakValueDictionary[tuple[str, str], "Token"]] = WeakValueDictionary()
_tokens_lock: Final = RLock()


def token_of(module: Path, label: str, pin_source: SecretSource) -> "Token":
    """Give this process's one session with a token, opened if there is none: a login, and its end, are the process's.

    Raises VaultSettingsError without such a module or token, VaultLockedError on a wrong PIN.
    """
    with _tokens_lock:
        found = _tokens.get((str(module), label))
        if found is None:
            found = _tokens[str(module), label] = Token(module, label, pin_source)
        return found


class Token:
    """A session with one token, logged in as its user. Safe to use from several threads. Take it from `token_of`."""

    def __init__(self, module: Path, label: str, pin_source: SecretSource) -> None:
        self.label = label
        self._module = _module(str(module))
        self._pin_source = pin_source
        self._session: pkcs11.Session | None = None
        self._generation = 0
        with self._module.lock:
            if self._find() is None:
                raise VaultSettingsError(
                    f"the module {module} has no token {label}: set vault.token_label to one that has been initialised",
                    token=label,
                )
            self._open()

    @property
    def generation(self) -> int:
        """Grows with each fresh session: handles of objects belong to one."""
        return self._generation

    def run(self, act: Callable[[pkcs11.Session], _Result], *, repeatable: bool = True) -> _Result:
        """Do something in the session, alone in the module. Errors of the module that do not pass are given on.

        repeatable: whether it may be done again in a fresh session where the first one may be gone. Raises
        TokenLostError where the token cannot be reached.
        """
        with self._module.lock:
            session = self._session or self._open()
            try:
                return act(session)
            except PKCS11Error as error:
                self.close()
                session = self._open()  # tells a token that is gone from an error of the act
                if not repeatable:
                    raise self._lost() from error
            return act(session)

    def close(self) -> None:
        """End the session; the next call opens one again."""
        with self._module.lock:
            session, self._session = self._session, None
            if session is None:
                return
            self._module.open_count -= 1
            try:
                session.close()
            except PKCS11Error:
                return  # it ended with the token

    def _find(self) -> pkcs11.Token | None:
        try:
            return self._module.find(self.label)
        except PKCS11Error as error:
            raise self._lost() from error

    def _open(self) -> pkcs11.Session:
        token = self._find()
        if token is None:
            raise self._lost()
        self._session = self._logged_in(token)
        self._module.open_count += 1
        self._generation += 1
        return self._session

    def _logged_in(self, token: pkcs11.Token) -> pkcs11.Session:
        try:
            return token.open(rw=True, user_pin=self._pin_source().decode())
        except _PIN_ERRORS as error:
            raise VaultLockedError(
                f"the token {self.label} does not take the PIN, or has locked it: mend the file of vault.pin_reference "
                f"before the next start, since each wrong try counts",
                token=self.label,
            ) from error
        except (PKCS11Error, UnicodeDecodeError) as error:
            raise self._lost() from error

    def _lost(self) -> TokenLostError:
        return TokenLostError(
            f"the token {self.label} cannot be reached: it was removed, reset or is out of order; put it back, "
            f"then try again",
            token=self.label,
        )
