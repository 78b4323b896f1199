"""The operator's console."""

from meterworks.portal.console.guard import CONSOLE_PATH, ConsoleGuard
from meterworks.portal.console.mount import mount_console

__all__ = ["CONSOLE_PATH", "ConsoleGuard", "mount_console"]
