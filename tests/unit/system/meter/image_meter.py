"""A meter that takes images, as `AskedMeter` sees it: for tests of the steps and of the driver."""

from collections import Counter

from meterworks.protocols import ServiceRefused
from meterworks.protocols.dlms import (
    ActionResult,
    BitString,
    DataAccessResult,
    ObisCode,
    decode_all,
    encode_array,
    encode_bit_string,
    encode_boolean,
    encode_double_long_unsigned,
    encode_enum,
    encode_octet_string,
    encode_structure,
)
from meterworks.system.meter.image import ImageStatus

INSTANCE = ObisCode("0.0.44.0.0.255")


class ImageMeter:
    """Keeps blocks. lost: block numbers that get lost, and how often. polls: answers before it has verified."""

    server_title = None

    def __init__(self, *, block_size=4, enabled=True, has_bitmap=True, polls=0, verifies=True):
        self.block_size = block_size
        self.enabled = enabled
        self.has_bitmap = has_bitmap
        self.polls = polls
        self.verifies = verifies
        self.lost = Counter()
        self.status = ImageStatus.NOT_INITIATED
        self.identity = None
        self.blocks = {}
        self.count = 0
        self.received = []
        self.pending = None

    @property
    def image(self):
        return b"".join(self.blocks[number] for number in sorted(self.blocks))

    def get(self, address, selection=None, *, progress=None):
        assert address.obis_code == INSTANCE
        if address.attribute == 3 and not self.has_bitmap:
            raise ServiceRefused("denied", result=int(DataAccessResult.READ_WRITE_DENIED))
        return {2: self._size, 3: self._bitmap, 4: self._first, 5: self._enabled, 6: self._status, 7: self._next}[
            address.attribute
        ]()

    def _size(self):
        return encode_double_long_unsigned(self.block_size)

    def _bitmap(self):
        text = "".join("1" if number in self.blocks else "0" for number in range(self.count))
        return encode_bit_string(BitString.from_text(text))

    def _first(self):
        return encode_double_long_unsigned(
            next((number for number in range(self.count) if number not in self.blocks), self.count)
        )

    def _enabled(self):
        return encode_boolean(self.enabled)

    def _status(self):
        if self.pending is not None:
            self.polls -= 1
            if self.polls <= 0:
                self.status, self.pending = self.pending, None
        return encode_enum(int(self.status))

    def _next(self):
        size = encode_double_long_unsigned(len(self.image))
        return encode_array([encode_structure(size, encode_octet_string(b"id"), encode_octet_string(b""))])

    def action(self, address, parameter=None):
        result = {1: self._initiate, 2: self._block, 3: self._verify, 4: self._activate}[address.method](
            decode_all(parameter)
        )
        if result != ActionResult.SUCCESS:
            raise ServiceRefused("refused", result=int(result))

    def _initiate(self, parameter):
        if parameter != self.identity:
            self.blocks = {}
        self.identity = parameter
        self.count = -(-parameter[1] // self.block_size)
        self.status = ImageStatus.INITIATED
        return ActionResult.SUCCESS

    def _block(self, parameter):
        number, chunk = parameter
        self.received.append(number)
        if self.lost[number]:
            self.lost[number] -= 1
        else:
            self.blocks[number] = chunk
        return ActionResult.SUCCESS

    def _verify(self, _):
        outcome = ImageStatus.VERIFIED if self.verifies else ImageStatus.VERIFICATION_FAILED
        return self._begin(ImageStatus.VERIFICATION_INITIATED, outcome)

    def _activate(self, _):
        return self._begin(ImageStatus.ACTIVATION_INITIATED, ImageStatus.ACTIVATED)

    def _begin(self, meanwhile, outcome):
        if self.polls:
            self.status, self.pending = meanwhile, outcome
            return ActionResult.TEMPORARY_FAILURE
        self.status = outcome
        return ActionResult.SUCCESS
