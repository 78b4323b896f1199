"""DUIS: the XML in which users of the GB system ask and are answered; the same as JSON, and its signatures."""

from meterworks.companions.gb.duis.document import Comment, Document, read_document, write_document
from meterworks.companions.gb.duis.request_document import check_request, read_request, write_request
from meterworks.companions.gb.duis.schema_table import compile_table
from meterworks.companions.gb.duis.table import Structure, Table, load_table, read_table
from meterworks.companions.gb.duis.value import JsonValue, ValueType

__all__ = [
    "Comment",
    "Document",
    "JsonValue",
    "Structure",
    "Table",
    "ValueType",
    "check_request",
    "compile_table",
    "load_table",
    "read_document",
    "read_request",
    "read_table",
    "write_document",
    "write_request",
]
