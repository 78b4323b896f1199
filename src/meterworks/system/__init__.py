"""Wiring of the system: configuration, migrations, processes, the start and the stop.

Each module is a door of its own (`meterworks.system.start`, `meterworks.system.serving`, ...): one that loaded them all
would load every engine and framework of the system into each of its processes and commands.
"""

from meterworks.system.errors import ConfigurationError, InUseError, PrivilegeError, UnsafeSettingsError

__all__ = ["ConfigurationError", "InUseError", "PrivilegeError", "UnsafeSettingsError"]
