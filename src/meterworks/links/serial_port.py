"""Serial ports of POSIX systems, without a library: opened raw and non-blocking, their line set and changed.

A port that cannot do seven bits with parity (some adapters, all pseudo terminals) is set to eight bits without, and the
parity is made and taken off here.
"""

import errno
import os
import select
import sys
import time
from typing import Final

from meterworks.links.errors import BadTarget, ConnectFailed
from meterworks.protocols.dlms import LineFormat

if sys.platform != "win32":
    import termios

__all__ = ["SerialPort"]

READ_SIZE_MAX: Final = 4096
_MASKED: Final = bytes(octet & 0x7F for octet in range(256))
_WITH_PARITY: Final = bytes(octet & 0x7F | (octet & 0x7F).bit_count() % 2 << 7 for octet in range(256))
BAUDS: Final = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)


class SerialPort:
    """An open serial port. device: its path; line: how it is set; makes_parity: whether parity is made in software."""

    def __init__(self, device: str, line: LineFormat) -> None:
        """Open a port. Raises ConnectFailed, or BadTarget where the line cannot be set so."""
        if sys.platform == "win32":
            raise BadTarget("serial ports need a POSIX system: use a serial server over TCP")
        self.device = device
        self.line = line
        self.makes_parity = False
        try:
            self.descriptor = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise ConnectFailed(f"cannot open {device}: {error}", device=device) from error
        try:
            self.set_line(line)
        except BaseException:
            self.close()
            raise

    def set_line(self, line: LineFormat) -> None:
        """Set speed and format once what was written is out. Raises BadTarget, or ConnectFailed where it is no port."""
        if sys.platform != "win32":
            if line.baud not in BAUDS:
                raise BadTarget(f"{line.baud} is no speed of a serial line: {', '.join(map(str, BAUDS))} are")
            bits = termios.CS7 if line.data_bits == 7 else termios.CS8
            wanted = bits | (termios.PARENB if line.parity == "E" else 0)
            try:
                self.makes_parity = not self._set(line.baud, wanted)
                if self.makes_parity and not self._set(line.baud, termios.CS8):
                    raise ConnectFailed(f"{self.device} refuses {line.baud} baud", device=self.device)
            except termios.error as error:
                raise ConnectFailed(f"cannot set the line of {self.device}: {error}", device=self.device) from error
            self.line = line

    def _set(self, baud: int, flags: int) -> bool:
        """Set the terminal; give whether it can do that."""
        if sys.platform == "win32":
            return False
        characters = termios.tcgetattr(self.descriptor)[6]
        characters[termios.VMIN], characters[termios.VTIME] = 1, 0
        speed = getattr(termios, f"B{baud}")
        attributes = [0, 0, termios.CREAD | termios.CLOCAL | flags, 0, speed, speed, characters]
        try:
            termios.tcsetattr(self.descriptor, termios.TCSADRAIN, attributes)
        except termios.error as error:
            if error.args[0] != errno.EINVAL:
                raise
        now = termios.tcgetattr(self.descriptor)  # a call that changed but a part may have succeeded
        return bool(now[2] & (termios.CSIZE | termios.PARENB) == flags and now[5] == speed)

    def read(self) -> bytes:
        """Give what has arrived. Raises BlockingIOError where nothing has, another OSError where the port is gone."""
        data = os.read(self.descriptor, READ_SIZE_MAX)
        if not data:
            raise ConnectionResetError(f"{self.device} is gone")
        return data.translate(_MASKED) if self.makes_parity else data

    def write(self, data: bytes) -> int:
        """Give how many octets the port took. Raises OSError."""
        return os.write(self.descriptor, data.translate(_WITH_PARITY) if self.makes_parity else data)

    def wait_readable(self, timeout_s: float) -> bool:
        """Wait until something arrives; give whether it did."""
        return bool(select.select([self.descriptor], [], [], timeout_s)[0])

    def write_all(self, data: bytes, timeout_s: float) -> None:
        """Write everything. Raises TimeoutError, or another OSError where the port is gone."""
        ends_s = time.monotonic() + timeout_s
        while data:
            left_s = ends_s - time.monotonic()
            if left_s <= 0 or not select.select([], [self.descriptor], [], left_s)[1]:
                raise TimeoutError
            data = data[self.write(data) :]

    def close(self) -> None:
        """Close the port; may be called more than once."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
