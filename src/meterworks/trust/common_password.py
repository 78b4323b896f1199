"""Passwords that guessers try first, told by rule and not by a list of millions.

A guesser's list is words, names and keyboard rows, with digits and signs around them and letters replaced. So we undo
the replacements, take out what stands in such lists, and look whether enough is left that had to be thought of.
Source: NIST SP 800-63B section 5.1.1.2 (compare with commonly used, expected or compromised values).
"""

import re
from collections.abc import Sequence

__all__ = ["is_common_password"]

LEFT_MIN = 5  # different letters that must be left
_REPLACED = str.maketrans("013457@$!|+8", "oieastasiltb")
_ROWS = ("qwertzuiop", "qwertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm", "abcdefghijklmnopqrstuvwxyz")
_WORDS = (
    *("password", "passwort", "passwd", "letmein", "welcome", "willkommen", "admin", "administrator", "root", "user"),
    *("login", "master", "secret", "geheim", "default", "changeme", "guest", "test", "demo", "temp", "access"),
    *("dragon", "monkey", "football", "baseball", "princess", "sunshine", "shadow", "superman", "batman", "iloveyou"),
    *("summer", "winter", "spring", "autumn", "january", "february", "march", "april", "june", "july", "august"),
    *("september", "october", "november", "december", "monday", "friday", "company", "qazwsx", "hello", "freedom"),
    *("meterworks", "meter", "operator", "supplier", "consumer", "energy", "electricity", "smart"),
)
_RUN_MIN = 4  # letters along a keyboard row or the alphabet


def _without_runs(text: str) -> str:
    """Take out runs along a row, either way, and the same letter many times."""
    for row in _ROWS:
        for line in (row, row[::-1]):
            for size in range(len(line), _RUN_MIN - 1, -1):
                for start in range(len(line) - size + 1):
                    text = text.replace(line[start : start + size], "")
    return re.sub(r"(.)\1{2,}", "", text)


def is_common_password(password: str, *, about: Sequence[str] = ()) -> bool:
    """Tell whether a password is one that guessers try early. about: names the guesser knows: the account's, say."""
    text = password.casefold()
    for plain in (text, text.translate(_REPLACED)):
        letters = "".join(letter for letter in plain if letter.isalpha())
        known = [name.casefold() for name in about if len(name) >= 3]
        for word in sorted((*_WORDS, *known), key=len, reverse=True):
            letters = letters.replace(word, "")
        if len(set(_without_runs(letters))) < LEFT_MIN:
            return True
    return False
