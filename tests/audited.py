"""A trail to test with: a key, events, a database and heads in a folder."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from meterworks.runtime import Database, ManualClock
from meterworks.trust.audit import AuditEvent, AuditSettings, AuditTrail, HeadBook, read_heads, verify_stored
from meterworks.trust.audit.model import AuditEvidenceRow, AuditRecordRow, AuditTileRow

TABLES = (AuditRecordRow, AuditTileRow, AuditEvidenceRow)
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class TestSigner:
    """A P-256 key that signs heads as a vault's key does."""

    __test__ = False

    def __init__(self, secret: int = 4711) -> None:
        self._key = ec.derive_private_key(secret, ec.SECP256R1())

    @property
    def public_key(self):
        return self._key.public_key()

    def sign(self, message):
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)


SIGNER = TestSigner()


def event(number: int = 0, **changes) -> AuditEvent:
    """An event that tells its number."""
    fields = {
        "act": "login.failed",
        "actor": "nobody",
        "object": f"account:user-{number % 7}",
        "cause": "password",
        "facts": {"number": number},
        "event_id": f"event-{number:06}",
        "at": START + timedelta(seconds=number),
        "machine_at": START + timedelta(seconds=number),
    }
    return AuditEvent(**fields | changes)


async def until(condition, *, limit_s: float = 10.0) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 -- nothing tells us
            await asyncio.sleep(0.005)


class Ticking:
    """A machine clock that goes on a millisecond at each look."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


class Place:
    """A folder with a database and heads."""

    def __init__(self, folder, *, database=None, **settings) -> None:
        self.folder = folder
        self.database = Database(f"sqlite:///{database or folder / 'trail.sqlite3'}")
        self.book = HeadBook([folder / "heads"])
        self.settings = AuditSettings(**{"head_records": 8, "head_interval_s": 3600.0} | settings)
        self.now = Ticking()

    @contextlib.asynccontextmanager
    async def appending(self, signer=SIGNER):
        """The trail, taken up."""
        trail = AuditTrail(
            self.database,
            self.book,
            signer,
            clock=ManualClock(START),
            settings=self.settings,
            machine_now=self.now,
        )
        async with trail.appending():
            yield trail

    def heads(self):
        """The heads written so far."""
        return read_heads(self.book.path)

    async def verdict(self, **options):
        """What the verifier says."""
        return await verify_stored(self.database, self.heads(), [SIGNER.public_key], **options)


@contextlib.asynccontextmanager
async def place_in(folder, **settings):
    """A folder with the tables made."""
    place = Place(folder, **settings)
    try:
        await place.database.create_tables(*(row.__table__ for row in TABLES))
        yield place
    finally:
        await place.database.close()
