"""What an association may use: the conformance block.  Source: IEC 62056-5-3, 7.3.1; fact sheet section 3."""

from enum import IntFlag

__all__ = ["CLIENT_CONFORMANCE", "FULL_CONFORMANCE", "METER_CONFORMANCE", "SHORT_NAME_CONFORMANCE", "Conformance"]


def _bit(number: int) -> int:
    """Give the flag of a bit: bit 0 is the top bit of the first of three octets."""
    return 1 << (23 - number)


class Conformance(IntFlag):
    """Bits of the conformance block, three octets."""

    GENERAL_PROTECTION = _bit(1)
    GENERAL_BLOCK_TRANSFER = _bit(2)
    READ = _bit(3)
    WRITE = _bit(4)
    UNCONFIRMED_WRITE = _bit(5)
    DELTA_VALUE_ENCODING = _bit(6)
    ATTRIBUTE_0_WITH_SET = _bit(8)
    PRIORITY = _bit(9)
    ATTRIBUTE_0_WITH_GET = _bit(10)
    BLOCK_TRANSFER_WITH_GET = _bit(11)
    BLOCK_TRANSFER_WITH_SET = _bit(12)
    BLOCK_TRANSFER_WITH_ACTION = _bit(13)
    MULTIPLE_REFERENCES = _bit(14)
    INFORMATION_REPORT = _bit(15)
    DATA_NOTIFICATION = _bit(16)
    ACCESS = _bit(17)
    PARAMETERISED_ACCESS = _bit(18)
    GET = _bit(19)
    SET = _bit(20)
    SELECTIVE_ACCESS = _bit(21)
    EVENT_NOTIFICATION = _bit(22)
    ACTION = _bit(23)


METER_CONFORMANCE = (
    Conformance.GENERAL_PROTECTION
    | Conformance.PRIORITY
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_SET
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.DATA_NOTIFICATION
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACCESS
    | Conformance.ACTION
)
CLIENT_CONFORMANCE = METER_CONFORMANCE
# All that a server or client of ours can do with logical names. General blocks are not in the others: where both ends
# agree to them, they take the place of the blocks of GET, SET and ACTION, and not every fielded stack has them right.
FULL_CONFORMANCE = (
    METER_CONFORMANCE
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.ATTRIBUTE_0_WITH_GET
    | Conformance.ATTRIBUTE_0_WITH_SET
)
SHORT_NAME_CONFORMANCE = (
    Conformance.GENERAL_PROTECTION
    | Conformance.READ
    | Conformance.WRITE
    | Conformance.UNCONFIRMED_WRITE
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_SET
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.INFORMATION_REPORT
    | Conformance.DATA_NOTIFICATION
    | Conformance.PARAMETERISED_ACCESS
)
