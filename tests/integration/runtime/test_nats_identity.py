"""A message bus server with TLS: certificates give identities, identities have rights by subject, pins end them."""

import asyncio
import ssl
from dataclasses import replace
from functools import partial

import pytest
from tests.certificates import TestAuthority, pin_of

from meterworks.errors import UnreachableError
from meterworks.runtime import (
    BusForbiddenError,
    BusRight,
    BusSettings,
    NatsServer,
    NatsServerSettings,
    NatsTls,
    connect_bus,
)

ROLES = ("web", "headend", "probe")
RIGHTS = (
    BusRight(identity="urn:test:probe", answers=False),
    BusRight(identity="urn:test:web", publish=("headend.read", "$JS.API.DIRECT.GET.LOG"), subscribe=("_INBOX_web.>",)),
    BusRight(
        identity="urn:test:headend",
        publish=("log.>", "$JS.API.STREAM.*.LOG"),
        subscribe=("_INBOX_headend.>", "headend.>"),
    ),
)


class Secured:
    """A running server and how its clients connect."""

    def __init__(self, folder):
        self.authority = TestAuthority(folder / "pki")
        server = self.authority.issue("nats", uri="urn:test:nats")
        self.clients = {name: self.authority.issue(name, uri=f"urn:test:{name}") for name in ROLES}
        self.tls = NatsTls(
            certificate=server.certificate,
            key=server.key,
            anchors=server.anchors,
            rights=RIGHTS,
            pins=tuple(pin_of(client.content) for client in self.clients.values()),
        )
        self.server = NatsServer(
            NatsServerSettings(
                folder=folder / "nats",
                port=0,
                tls=self.tls,
                probe=self.clients["probe"].client(),
                output_path=folder / "log",
            )
        )

    def settings(self, name: str, context: ssl.SSLContext | None = None) -> BusSettings:
        """As the named client connects."""
        return BusSettings(
            url=self.server.url,
            client_name=name,
            inbox_prefix=f"_INBOX_{name}",
            tls=context or self.clients[name].client(),
            tls_first=True,
            connect_timeout_s=10.0,
            patience_s=5.0,
        )


@pytest.fixture
async def secured(tmp_path):
    """A server that knows a few identities."""
    secured = Secured(tmp_path)
    async with secured.server:
        yield secured


async def test_a_question_is_answered_between_identities_that_may(secured):
    headend = await connect_bus(secured.settings("headend"))
    web = await connect_bus(secured.settings("web"))

    async def echo(data: bytes) -> bytes:
        return data

    await headend.respond("headend.read", echo)
    assert await web.request("headend.read", b"x") == b"x"
    await headend.ensure_stream("LOG", ["log.>"])
    assert await headend.publish("log.a", b"1") == 1
    assert [message.data for message in await _stored(web)] == [b"1"]
    await web.close()
    await headend.close()


async def _stored(bus):
    """What the stream holds, asked for by the direct way, since the client may not ask about the stream."""
    bus._incarnations["LOG", None] = (bus._link.generation, "known")
    return await bus.fetch("LOG")


async def test_a_subject_without_right_is_refused_at_once(secured):
    web = await connect_bus(secured.settings("web"))
    for call in (
        partial(web.publish, "log.a", b"x"),
        partial(web.request, "headend.release", b"x"),
        partial(web.ensure_stream, "OTHER", ["other.>"]),
        partial(web.subscribe, "headend.read", _never),
        partial(web.subscribe, "_INBOX_headend.>", _never),
        partial(web.respond, "headend.read", _never),
    ):
        async with asyncio.timeout(4):  # less than a call's patience
            with pytest.raises(BusForbiddenError, match="no right"):
                await call()
    await web.close()


async def _never(_message):
    raise AssertionError("a message came to an identity without right to it")


async def test_an_answer_goes_to_nobody_who_was_not_asked(secured):
    """The right to answer is a right to the question's own inbox, not to all inboxes."""
    headend = await connect_bus(secured.settings("headend"))
    await headend.send("_INBOX_web.x", b"forged")
    await headend._link.flush(2)
    with pytest.raises(BusForbiddenError):
        await headend.send("_INBOX_web.x", b"forged")
    await headend.close()


async def test_strangers_are_refused(secured, tmp_path):
    other = TestAuthority(tmp_path / "other", name="another authority").issue("web", uri="urn:test:web")
    other.anchors = secured.authority.anchors
    unknown = secured.authority.issue("unknown", uri="urn:test:unknown")
    unpinned = secured.authority.issue("web2", uri="urn:test:web")
    without = ssl.create_default_context(cafile=secured.authority.anchors)
    for context in (other.client(), unknown.client(), unpinned.client(), without):
        with pytest.raises(UnreachableError):
            await connect_bus(replace(secured.settings("web", context), connect_timeout_s=0.4))
    with pytest.raises(UnreachableError):
        await connect_bus(BusSettings(url=secured.server.url.replace("tls", "nats"), connect_timeout_s=0.4))


async def test_a_server_of_another_authority_is_refused(secured, tmp_path):
    other = TestAuthority(tmp_path / "other", name="another authority").issue("web", uri="urn:test:web")
    with pytest.raises(UnreachableError, match="certificate"):
        await connect_bus(replace(secured.settings("web", other.client()), connect_timeout_s=0.4))


async def test_a_server_that_talks_plainly_is_refused(tmp_path):
    """Whoever stands between may say that the server wants no TLS."""
    client = TestAuthority(tmp_path / "pki").issue("web")
    async with NatsServer(NatsServerSettings(folder=tmp_path / "nats", port=0)) as server:
        settings = BusSettings(url=server.url, tls=client.client(), connect_timeout_s=1.0)
        with pytest.raises(UnreachableError, match="without TLS"):
            await connect_bus(settings)


async def test_a_server_that_shows_anothers_certificate_is_told_nothing(secured):
    """Its certificate is good, but not that of a message bus."""

    def check(_ssl_object: ssl.SSLObject) -> None:
        raise BusForbiddenError("this is not the bus")

    with pytest.raises(UnreachableError, match="not the bus"):
        await connect_bus(replace(secured.settings("web"), check_server=check, connect_timeout_s=0.4))


async def test_a_live_connection_whose_key_is_no_longer_admitted_ends(secured):
    web, headend = await connect_bus(secured.settings("web")), await connect_bus(secured.settings("headend"))
    pins = tuple(pin for pin in secured.tls.pins if pin != pin_of(secured.clients["web"].content))
    secured.server.admit(replace(secured.tls, pins=pins))
    await _until(lambda: not web._link._up.is_set())
    with pytest.raises(UnreachableError):
        await web.request("headend.read", b"x", timeout_s=0.5)
    await headend.ensure_stream("LOG", ["log.>"])  # the others are not disturbed
    secured.server.admit(secured.tls)
    await _until(web._link._up.is_set)
    await web.close()
    await headend.close()


async def test_a_renewed_server_certificate_is_shown_without_a_restart(secured):
    first = secured.server.process_id
    renewed = secured.authority.issue("nats-renewed", uri="urn:test:nats")
    secured.server.admit(replace(secured.tls, certificate=renewed.certificate, key=renewed.key))
    async with asyncio.timeout(5):
        while await _serial_number(secured) != renewed.content.serial_number:  # noqa: ASYNC110  # in another process
            await asyncio.sleep(0.01)
    assert secured.server.process_id == first


async def _until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # the event is in another process
            await asyncio.sleep(0.01)


async def _serial_number(secured) -> int:
    port = int(secured.server.url.rpartition(":")[2])
    context = secured.clients["web"].client()
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        return int(writer.get_extra_info("peercert")["serialNumber"], 16)
    finally:
        writer.close()
