"""What a meter says that is wrong with itself (alert 81A0): two octets, by name.

Source: MMC schema 5.4 (names); GBCS, smart meter integrity issue warning (numbers).
"""

from typing import Final

from meterworks.protocols import EncodeError

__all__ = ["INTEGRITY_ALERT", "WARNING", "warning_name", "warning_octets"]

INTEGRITY_ALERT: Final = 0x81A0
WARNING: Final = "warning"
_SIZE: Final = 2
_NAMES: Final = (
    "other", "error_non_volatile_memory", "error_program_execution", "error_program_storage", "error_ram",
    "error_unexpected_hardware_reset", "error_watchdog", "error_metrology_firmware_verification",
    "error_measurement_fault", "unspecified_operational_integrity_error",
)  # fmt: skip


def warning_name(octets: bytes) -> str | None:
    """The name of a warning, None where no table has it."""
    number = int.from_bytes(octets, "big")
    return _NAMES[number] if len(octets) == _SIZE and number < len(_NAMES) else None


def warning_octets(name: object) -> bytes:
    """The two octets of a warning. Raises EncodeError."""
    if name not in _NAMES:
        raise EncodeError(f"{name!r:.80} is no warning: {', '.join(_NAMES)}")
    return _NAMES.index(str(name)).to_bytes(_SIZE, "big")
