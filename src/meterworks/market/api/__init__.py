"""The REST API under /api/v1."""

from meterworks.market.api.account import checked_scopes
from meterworks.market.api.app import API_PREFIX, create_api
from meterworks.market.api.gate import PUBLIC, Gate, Public, market_of, peer_of_request, permit, request_id_of
from meterworks.market.api.privacy import data_package_response
from meterworks.market.api.response import OrjsonResponse

__all__ = [
    "API_PREFIX",
    "PUBLIC",
    "Gate",
    "OrjsonResponse",
    "Public",
    "checked_scopes",
    "create_api",
    "data_package_response",
    "market_of",
    "peer_of_request",
    "permit",
    "request_id_of",
]
