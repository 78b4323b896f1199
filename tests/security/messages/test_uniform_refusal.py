"""Where keys that were agreed before replace certificates: a name nobody knows is refused exactly like a wrong key."""

import asyncio

import pytest
from tests.integration.headend.conftest import make_field
from tests.integration.headend.test_push import Sender

from meterworks.headend import HeadendQueries
from meterworks.protocols.dlms import CipherForm, Protection
from meterworks.runtime import SystemClock

AT = 1_773_000_000
UNKNOWN = bytes.fromhex("4d57530000999999")


@pytest.fixture
async def field(tmp_path):
    made = await make_field(tmp_path, SystemClock())
    made.add_meter(1)
    await made.start()
    yield made
    await made.close()


async def outside(field, frame: bytes) -> tuple[bytes, str]:
    """All that a sender hears, and how the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", field.head_end.push_port)
    try:
        writer.write(frame)
        async with asyncio.timeout(1.5):
            return await reader.read(), "ended"
    except ConnectionError:
        return b"", "ended"
    except TimeoutError:
        return b"", "open"
    finally:
        writer.close()


def refused_frames() -> dict[str, bytes]:
    """One notification for each thing that can be wrong with key, name and protection."""
    weak = Sender(1)
    return {
        "a name nobody has": Sender(1, title=UNKNOWN).values(AT, 1, 2),
        "a wrong encryption key": Sender(1, guek=bytes(16)).values(AT, 1, 2),
        "a wrong authentication key": Sender(1, gak=bytes(16)).values(AT, 1, 2),
        "a tag and no cipher": weak.frame(form=CipherForm.GENERAL_GLO, protection=Protection.AUTHENTICATED),
    }


@pytest.mark.requirement("SEC-032")
async def test_an_unknown_name_is_refused_like_a_wrong_key(field):
    heard = {what: await outside(field, frame) for what, frame in refused_frames().items()}
    assert set(heard.values()) == {(b"", "ended")}, heard


@pytest.mark.requirement("SEC-032")
async def test_the_refusal_names_to_us_whom_it_was_about(field):
    frames = refused_frames()
    for what in ("a name nobody has", "a wrong encryption key"):
        await outside(field, frames[what])
    await field.flushed()
    found = await HeadendQueries(field.database).incidents()
    told = {each.kind: each for each in found}
    assert UNKNOWN.hex() in told["push-unknown-sender"].detail
    assert told["push-bad-tag"].device_id == 1
