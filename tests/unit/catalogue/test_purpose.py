"""Purposes: each role's default is one it may claim, and a purpose sees no more than its row says."""

import pytest

from meterworks.catalogue import (
    CHANNELS,
    PERMISSIONS,
    PURPOSE_BY_ROLE,
    PURPOSES,
    ChannelGroup,
    Detail,
    LegalBasis,
    Reach,
    Role,
    UnknownEntryError,
    channel_by_code,
    channel_group,
    detail_of,
    purpose_by_name,
)


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda channel: channel.code)
def test_every_channel_has_a_group_and_a_detail(channel):
    assert channel_group(channel) in ChannelGroup
    assert detail_of(channel) in Detail


@pytest.mark.parametrize(
    ("code", "group", "detail"),
    [
        ("electricity.import.active.30min", ChannelGroup.USAGE, Detail.INTERVAL),
        ("electricity.export.active.daily", ChannelGroup.EXPORT, Detail.DAY),
        ("electricity.import.reactive.15min", ChannelGroup.REACTIVE, Detail.INTERVAL),
        ("electricity.import.demand.monthly", ChannelGroup.DEMAND, Detail.MONTH),
        ("electricity.import.active.register", ChannelGroup.REGISTER, Detail.INSTANT),
        ("electricity.import.power", ChannelGroup.POWER, Detail.INSTANT),
        ("electricity.voltage.l1", ChannelGroup.QUALITY, Detail.INSTANT),
        ("gas.volume.60min", ChannelGroup.USAGE, Detail.INTERVAL),
        ("water.volume.daily", ChannelGroup.USAGE, Detail.DAY),
    ],
)
def test_channels_that_tell_the_same_stand_in_one_group(code, group, detail):
    channel = channel_by_code(code)
    assert (channel_group(channel), detail_of(channel)) == (group, detail)


def test_a_purpose_sees_only_what_its_row_names():
    billing = purpose_by_name("billing")
    usage = channel_by_code("electricity.import.active.30min")
    assert billing.allows(usage, Detail.DAY)
    assert billing.allows(usage, Detail.MONTH)
    assert not billing.allows(usage, Detail.INTERVAL)
    assert not billing.allows(channel_by_code("electricity.voltage.l1"), Detail.MONTH)
    assert billing.detail(channel_by_code("electricity.import.reactive.30min")) is None


def test_only_consent_lets_others_read():
    for role in (Role.OTHER_USER, Role.EXTERNAL_PARTICIPANT):
        claimable = [purpose for purpose in PURPOSES.values() if role in purpose.roles]
        assert claimable
        assert all(purpose.basis is LegalBasis.CONSENT for purpose in claimable)


def test_a_default_is_a_purpose_its_role_may_claim():
    for role, purpose in PURPOSE_BY_ROLE.items():
        assert role in purpose.roles
        reach = PERMISSIONS["reading.read"].reaches.get(role)
        assert purpose.rests_on_consent == (reach is Reach.CONSENTED)


def test_every_role_that_reads_has_a_purpose():
    for action in ("reading.read", "meter.read-now"):
        assert set(PERMISSIONS[action].reaches) <= set(PURPOSE_BY_ROLE)


def test_an_unknown_purpose_is_refused_with_a_near_one():
    with pytest.raises(UnknownEntryError, match="billing"):
        purpose_by_name("biling")
