"""Tags of APDUs, and which ciphered tag stands for which service.  Source: IEC 62056-5-3; fact sheet section 2."""

from enum import IntEnum
from typing import Final

__all__ = ["DEDICATED_OF", "FORM_OF", "GLOBAL_OF", "ApduTag", "CipherForm"]


class ApduTag(IntEnum):
    """First octet of an APDU."""

    INITIATE_REQUEST = 0x01
    READ_REQUEST = 0x05
    WRITE_REQUEST = 0x06
    INITIATE_RESPONSE = 0x08
    READ_RESPONSE = 0x0C
    WRITE_RESPONSE = 0x0D
    CONFIRMED_SERVICE_ERROR = 0x0E
    DATA_NOTIFICATION = 0x0F
    DATA_NOTIFICATION_CONFIRM = 0x10
    UNCONFIRMED_WRITE = 0x16
    INFORMATION_REPORT = 0x18
    GLO_INITIATE_REQUEST = 0x21
    GLO_INITIATE_RESPONSE = 0x28
    AARQ = 0x60
    AARE = 0x61
    RLRQ = 0x62
    RLRE = 0x63
    GET_REQUEST = 0xC0
    SET_REQUEST = 0xC1
    EVENT_NOTIFICATION = 0xC2
    ACTION_REQUEST = 0xC3
    GET_RESPONSE = 0xC4
    SET_RESPONSE = 0xC5
    ACTION_RESPONSE = 0xC7
    EXCEPTION_RESPONSE = 0xD8
    ACCESS_REQUEST = 0xD9
    ACCESS_RESPONSE = 0xDA
    GENERAL_GLO_CIPHERING = 0xDB
    GENERAL_DED_CIPHERING = 0xDC
    GENERAL_CIPHERING = 0xDD
    GENERAL_SIGNING = 0xDF
    GENERAL_BLOCK_TRANSFER = 0xE0
    GATEWAY_REQUEST = 0xE6
    GATEWAY_RESPONSE = 0xE7


class CipherForm(IntEnum):
    """The four forms of a ciphered APDU: with the global or the dedicated key, per service or general."""

    GLO = 0
    DED = 1
    GENERAL_GLO = 2
    GENERAL_DED = 3


# Services without a ciphered form of their own (data notification, access, exception) take a general one.
GLOBAL_OF: Final[dict[int, int]] = {
    0x01: 0x21, 0x08: 0x28, 0x0E: 0x2E, 0x05: 0x25, 0x0C: 0x2C, 0x06: 0x26, 0x0D: 0x2D, 0x16: 0x36, 0x18: 0x38,
    0xC0: 0xC8, 0xC1: 0xC9, 0xC2: 0xCA, 0xC3: 0xCB, 0xC4: 0xCC, 0xC5: 0xCD, 0xC7: 0xCF,
}  # fmt: skip
DEDICATED_OF: Final[dict[int, int]] = {
    plain: glo + (0x20 if plain < 0x80 else 0x08) for plain, glo in GLOBAL_OF.items()
}
FORM_OF: Final[dict[int, tuple[int | None, CipherForm]]] = {  # ciphered tag: plain tag (None in general forms), form
    **{ciphered: (plain, CipherForm.GLO) for plain, ciphered in GLOBAL_OF.items()},
    **{ciphered: (plain, CipherForm.DED) for plain, ciphered in DEDICATED_OF.items()},
    ApduTag.GENERAL_GLO_CIPHERING: (None, CipherForm.GENERAL_GLO),
    ApduTag.GENERAL_DED_CIPHERING: (None, CipherForm.GENERAL_DED),
}
