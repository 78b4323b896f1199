"""Secured sessions over sockets: suites 1 and 2 in every form, pre-established associations, users, certificates."""

from typing import Any

import pytest
from tests.integration.dlms.example_device import (
    CLIENT_TITLE,
    ECHO,
    ENERGY,
    LONG_VALUE,
    METER_TITLE,
    NOTE,
    ExampleDevice,
)
from tests.unit.protocols.dlms.security.bench import CLIENT_SAP, SUITES_WITH_CURVES, common, key_pairs

from meterworks.links import DlmsClient, MeterServer
from meterworks.protocols import AssociationRefused
from meterworks.protocols.dlms import (
    AssociationSettings,
    Ciphering,
    ClientSettings,
    CountUp,
    KeyChoice,
    Mechanism,
    Protection,
    SecuritySuite,
    decode_all,
    encode_visible_string,
)

BOTH = Protection.BOTH


async def connect(
    server: MeterServer,
    device: ExampleDevice,
    suite: SecuritySuite,
    mechanism: Mechanism,
    *,
    ours: dict[str, Any] | None = None,
    theirs: dict[str, Any] | None = None,
) -> DlmsClient:
    """Give a client of the meter that was told of it. ours, theirs: of client and meter, beyond what both have."""
    facts = common(suite, mechanism, BOTH)
    device.associations[CLIENT_SAP] = AssociationSettings(
        **(facts | key_pairs(suite, client=False) | {"required_protection": BOTH} | (theirs or {}))
    )
    settings = ClientSettings(
        **(
            facts
            | key_pairs(suite, client=True)
            | {"client_sap": CLIENT_SAP, "system_title": CLIENT_TITLE, "server_title": METER_TITLE, "protection": BOTH}
            | (ours or {})
        )
    )
    return await DlmsClient.connect("127.0.0.1", server.port, settings, counter=CountUp(10), timeout_s=5.0)


@pytest.mark.parametrize("suite", SUITES_WITH_CURVES)
@pytest.mark.parametrize(
    ("ciphering", "choice"),
    [
        (Ciphering.SERVICE, None),
        (Ciphering.GENERAL, None),
        (Ciphering.GENERAL_CIPHERING, KeyChoice.WRAPPED),
        (Ciphering.GENERAL_CIPHERING, KeyChoice.ONE_PASS),
        (Ciphering.GENERAL_CIPHERING, KeyChoice.STATIC),
        (Ciphering.SIGNED, None),
        (Ciphering.SIGNED_GENERAL_CIPHERING, KeyChoice.ONE_PASS),
    ],
)
async def test_a_whole_session(
    server: MeterServer, device: ExampleDevice, suite: SecuritySuite, ciphering: Ciphering, choice: KeyChoice | None
) -> None:
    forms = {"ciphering": ciphering, "key_choice": choice}
    async with await connect(server, device, suite, Mechanism.ECDSA, ours=forms) as client:
        opened = await client.associate()
        assert opened.is_verified
        assert decode_all(await client.get(ENERGY)) == 1_234_567
        assert len(decode_all(await client.get(LONG_VALUE))) == 256 * 1024
        await client.set(NOTE, encode_visible_string("secured"))
        assert await client.action(ECHO, encode_visible_string("x")) == encode_visible_string("x")
        await client.release()
    assert decode_all(device.written[NOTE]) == "secured"
    assert device.events == []


async def test_a_pre_established_association_is_asked_at_once(server: MeterServer, device: ExampleDevice) -> None:
    open_from_the_start = {"pre_established": True}
    client = await connect(
        server, device, SecuritySuite.SUITE_1, Mechanism.NONE,
        ours=open_from_the_start, theirs=open_from_the_start | {"client_title": CLIENT_TITLE},
    )  # fmt: skip
    async with client:
        assert decode_all(await client.get(ENERGY)) == 1_234_567
    assert device.events == []


async def test_a_user_that_is_not_listed_is_refused(server: MeterServer, device: ExampleDevice) -> None:
    users = {"users": frozenset({1, 2})}
    for user, taken in ((1, True), (3, False)):
        client = await connect(
            server, device, SecuritySuite.SUITE_0, Mechanism.GMAC, ours={"user_id": user}, theirs=users
        )
        device.accepted.clear()
        async with client:
            if taken:
                await client.associate()
            else:
                with pytest.raises(AssociationRefused):
                    await client.associate()
    assert device.events == [("unknown-client", CLIENT_SAP)]


async def test_the_servers_certificate_is_shown_to_the_caller(server: MeterServer, device: ExampleDevice) -> None:
    suite = SecuritySuite.SUITE_2
    key = key_pairs(suite, client=True)["peer_signing_key"]
    trusting = {"peer_signing_key": None, "key_of_certificate": lambda _title, shown: key if shown == b"ours" else None}
    client = await connect(server, device, suite, Mechanism.ECDSA, ours=trusting, theirs={"certificate": b"ours"})
    async with client:
        await client.associate()
        assert decode_all(await client.get(ENERGY)) == 1_234_567
