"""Fixtures of other folders that attacks on whole parts of the system stand on."""

from tests.integration.headend.conftest import meters_field, still_field
from tests.integration.portal.conftest import foundation, neighbourhood

__all__ = ["foundation", "meters_field", "neighbourhood", "still_field"]
