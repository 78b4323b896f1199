"""DUIS: the XML in which users of the GB system ask and are answered; the same as JSON, and its signatures."""

from meterworks.companions.gb.duis.document import Comment, Document, read_document, write_document
from meterworks.companions.gb.duis.json_form import (
    request_from_json,
    request_to_json,
    response_from_json,
    response_to_json,
)
from meterworks.companions.gb.duis.markup import canonical_form
from meterworks.companions.gb.duis.openapi import openapi_components
from meterworks.companions.gb.duis.request_document import check_request, read_request, write_request
from meterworks.companions.gb.duis.response import Response, read_response, write_response
from meterworks.companions.gb.duis.schema import validate_schema
from meterworks.companions.gb.duis.schema_table import compile_table
from meterworks.companions.gb.duis.service_audit import AnomalyDecision, RecordedResponse, ServiceAudit
from meterworks.companions.gb.duis.signature import (
    IssuerSerial,
    KeyLookup,
    VerifiedDocument,
    issuer_serial_of,
    sign_document,
    sign_request,
    signer_of,
    verify_document,
)
from meterworks.companions.gb.duis.structure import check_element
from meterworks.companions.gb.duis.table import Structure, Table, load_table, read_table
from meterworks.companions.gb.duis.value import JsonValue, ValueType

__all__ = [
    "AnomalyDecision",
    "Comment",
    "Document",
    "IssuerSerial",
    "JsonValue",
    "KeyLookup",
    "RecordedResponse",
    "Response",
    "ServiceAudit",
    "Structure",
    "Table",
    "ValueType",
    "VerifiedDocument",
    "canonical_form",
    "check_element",
    "check_request",
    "compile_table",
    "issuer_serial_of",
    "load_table",
    "openapi_components",
    "read_document",
    "read_request",
    "read_response",
    "read_table",
    "request_from_json",
    "request_to_json",
    "response_from_json",
    "response_to_json",
    "sign_document",
    "sign_request",
    "signer_of",
    "validate_schema",
    "verify_document",
    "write_document",
    "write_request",
    "write_response",
]
