"""The fields of the integration tests."""

from tests.integration.headend.conftest import meters_field, still_field

__all__ = ["meters_field", "still_field"]
