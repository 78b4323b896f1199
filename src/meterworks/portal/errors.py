"""Errors of the portal."""

from meterworks.errors import SecurityError

__all__ = ["FormForged"]


class FormForged(SecurityError):
    """A form came from another site or another session."""

    code = "form-forged"
