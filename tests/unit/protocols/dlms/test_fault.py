"""Refusals of whole APDUs on the wire, and their names."""

import pytest

from meterworks.protocols.dlms.fault import (
    CONFIRMED_SERVICES,
    SERVICE_ERRORS,
    ConfirmedServiceError,
    ExceptionResponse,
)
from meterworks.protocols.dlms.notification import DataNotification, DataNotificationConfirm
from meterworks.protocols.errors import DecodeError


@pytest.mark.parametrize(
    ("wire", "names"),
    [
        ("0e010601", ("initiate", "initiate/dlms-version-too-low")),
        ("0e050301", ("read", "service/pdu-size")),
        ("0e060504", ("write", "access/object-unavailable")),
        ("0e130a00", ("terminate-upload", "other/other")),
        ("0e012005", ("initiate", "kind-32/5")),
        ("0e630606", ("service-99", "initiate/6")),
        ("0e010006", ("initiate", "application-reference/deciphering-error")),
        ("0e010904", ("initiate", "task/ti-unusable")),
    ],
)
def test_service_error_is_named_and_written_back(wire: str, names: tuple[str, str]) -> None:
    error = ConfirmedServiceError.from_bytes(bytes.fromhex(wire))
    assert (error.service_name, error.error_name) == names
    assert error.to_bytes().hex() == wire


def test_every_service_and_kind_has_a_name() -> None:
    assert list(CONFIRMED_SERVICES) == list(range(1, 20))
    assert list(SERVICE_ERRORS) == list(range(11))
    assert all(errors[0] == "other" for _, errors in SERVICE_ERRORS.values())


@pytest.mark.parametrize("wire", ["0e0106", "0e01060100", "0d010601", ""])
def test_malformed_service_error_is_refused(wire: str) -> None:
    with pytest.raises(DecodeError):
        ConfirmedServiceError.from_bytes(bytes.fromhex(wire))


@pytest.mark.parametrize("wire", ["d80101", "d80202", "d80203", "d80104", "d80105", "d8010600000100", "d80106"])
def test_exception_is_read_and_written_back(wire: str) -> None:
    assert ExceptionResponse.from_bytes(bytes.fromhex(wire)).to_bytes().hex() == wire


@pytest.mark.parametrize("wire", ["d801", "d8010100", "d80106000001", "d8010600000100ff"])
def test_malformed_exception_is_refused(wire: str) -> None:
    with pytest.raises(DecodeError):
        ExceptionResponse.from_bytes(bytes.fromhex(wire))


def test_push_that_asks_for_it_is_confirmed_by_its_long_invoke_id() -> None:
    push = DataNotification.from_bytes(bytes.fromhex("0f40000007001105"))
    assert push.wants_confirmation
    assert push.confirmation().to_bytes().hex() == "104000000700"
    assert not DataNotification.from_bytes(bytes.fromhex("0f00000007001105")).wants_confirmation


@pytest.mark.parametrize("wire", ["104000000700", "10400000070c07ea0b15060c000000000000"])
def test_confirmation_is_read_and_written_back(wire: str) -> None:
    assert DataNotificationConfirm.from_bytes(bytes.fromhex(wire)).to_bytes().hex() == wire


@pytest.mark.parametrize("wire", ["1040000007", "10400000070100", "0f4000000700", "10400000070000"])
def test_malformed_confirmation_is_refused(wire: str) -> None:
    with pytest.raises(DecodeError):
        DataNotificationConfirm.from_bytes(bytes.fromhex(wire))
