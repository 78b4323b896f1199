"""Requests and documents of our own for the tests of DUIS, and keys that sign them."""

from meterworks.companions.gb import CommandVariant, Element, Request, RequestId
from meterworks.companions.gb.duis import IssuerSerial
from meterworks.protocols.dlms.security import SecuritySuite, SoftwareSigner

SUPPLIER = bytes.fromhex("90b3d51f30010000")
METER = bytes.fromhex("00db1234567890a0")
SIGNER = SoftwareSigner(SecuritySuite.SUITE_1, bytes(range(1, 33)))
ISSUER = "CN=U1, OU=07"
KEYS = {IssuerSerial("CN=U1,OU=07", 77): SIGNER.public_key}
SPACE = 'xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway"'
HEADER = (
    "<sr:Header><sr:RequestID>90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:1000</sr:RequestID>"
    "<sr:CommandVariant>8</sr:CommandVariant><sr:ServiceReference>5.2</sr:ServiceReference>"
    "<sr:ServiceReferenceVariant>5.2</sr:ServiceReferenceVariant></sr:Header>"
)
BODY = "<sr:ReadSchedule><sr:DSPScheduleID>123</sr:DSPScheduleID></sr:ReadSchedule>"


def document(body: str = BODY, *, header: str = HEADER, after: str = "", before: str = "") -> bytes:
    """A request around a body. before: above the root; after: behind the body."""
    return (
        f'{before}<sr:Request {SPACE} schemaVersion="5.4">{header}<sr:Body>{body}</sr:Body>{after}</sr:Request>'
    ).encode()


def request(body: Element | None = None, **changes) -> Request:
    """A request to read a schedule, with some of it changed."""
    facts = {
        "request_id": RequestId(SUPPLIER, METER, 1000),
        "command_variant": CommandVariant.ANSWER,
        "reference": "5.2",
        "variant": "5.2",
        "body": body or Element("ReadSchedule", children=(Element("DSPScheduleID", "123"),)),
    }
    return Request(**(facts | changes))
