"""The fleet of the integration tests, for peers that mean harm."""

from tests.integration.devices.conftest import clock, start_fleet

__all__ = ["clock", "start_fleet"]
