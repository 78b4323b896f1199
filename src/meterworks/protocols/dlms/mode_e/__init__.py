"""The opening of an optical port: sign-on at 300 baud, identification, and the change to HDLC (mode E).

    client  /?address!CRLF                              300 baud, 7 data bits, even parity
    meter   /MMMz\\2identificationCRLF                   MMM manufacturer, z its speed, \\2: it speaks mode E
    client  06 '2' z '2' CRLF                           the meter may say the same back
    both    change to the speed z, 8 data bits, no parity, and go on with HDLC

Both ends are framings put around HDLC: a link begins with the opening, and tells in `line` the format that the serial
line must have. A TCP link to a serial server needs no formats and passes over them.
Source: IEC 62056-21, 6 and annex E; IEC 62056-46, annex A; fact sheet section 5.
"""

from meterworks.protocols.dlms.mode_e.client import ModeEFraming
from meterworks.protocols.dlms.mode_e.readout import DataSet, decode_readout
from meterworks.protocols.dlms.mode_e.server import ModeEServerFraming
from meterworks.protocols.dlms.mode_e.sign_on import SIGN_ON_LINE, Identification

__all__ = ["SIGN_ON_LINE", "DataSet", "Identification", "ModeEFraming", "ModeEServerFraming", "decode_readout"]
