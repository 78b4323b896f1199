"""Tables of the GB system: every row makes sense, rows fit together, makers may add and never change."""

import pytest

from meterworks.catalogue import Role
from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import (
    AlertKind,
    DeviceKind,
    RequestMode,
    UseCaseKind,
    load_carrier_alerts,
    load_device_alerts,
    load_service_requests,
    load_use_cases,
)

REQUEST_HEAD = "variant,name,critical,modes,roles,verified,devices,use_cases,body\n"
ALERT_HEAD = "code,name,kind,verified,devices,wide_area,always_on,sensitive,recipients\n"


def test_every_row_is_there():
    assert len(load_service_requests()) == 129
    assert len(load_use_cases()) == 240
    assert len(load_device_alerts()) == 190
    assert len(load_carrier_alerts()) == 24


def test_requests_and_use_cases_fit_together():
    cases = {case.use_case.replace("/", "") for case in load_use_cases().values()}
    for request in load_service_requests().values():
        assert bool(request.use_cases) == bool(request.devices), request.variant
        assert all(any(case.startswith(name) for case in cases) for name in request.use_cases), request.variant


def test_a_request_says_who_may_ask_it():
    requests = load_service_requests()
    disable = requests["7.2"]
    assert (disable.name, disable.critical, disable.reference) == ("Disable Supply", True, "7.2")
    assert disable.devices == {DeviceKind.ESME, DeviceKind.GSME}
    assert disable.may_be_asked_by(Role.IMPORT_SUPPLIER)
    assert disable.may_be_asked_by(Role.GAS_SUPPLIER)
    assert not disable.may_be_asked_by(Role.ELECTRICITY_DISTRIBUTOR)
    assert not disable.may_be_asked_by(Role.OPERATOR)
    assert RequestMode.DEVICE_DATED in requests["1.1.1"].modes
    assert requests["1.1.1"].reference == "1.1"


def test_what_no_source_confirms_is_denied_to_everybody():
    unverified = [request for request in load_service_requests().values() if not request.verified]
    assert {request.variant for request in unverified} == {"7.16", "8.5", "8.6"}
    assert not any(request.may_be_asked_by(role) for request in unverified for role in Role)


def test_critical_requests_belong_to_critical_use_cases():
    kinds = {case.use_case: case.kind for case in load_use_cases().values()}
    for request in load_service_requests().values():
        found = {kinds[name] for name in request.use_cases if name in kinds} - {UseCaseKind.UNKNOWN}
        if request.critical and found:
            assert UseCaseKind.CRITICAL_COMMAND in found, request.variant


def test_the_codes_that_everybody_knows():
    cases = load_use_cases()
    assert cases[0x0012].use_case == "CS06"
    assert cases[0x0012].is_critical
    assert cases[0x0045].changes
    assert cases[0x0045].replay_protection
    alerts = load_device_alerts()
    assert alerts[0x8F0A].kind is AlertKind.CRITICAL
    assert load_carrier_alerts()["PowerOutageEvent"].code == "AD1"


def write(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return [folder]


def test_a_maker_adds_rows_without_touching_code(tmp_path):
    row = "99.1,Read Battery,no,on-demand,import_supplier,yes,ESME,XCS01,ReadBattery\n"
    folders = write(tmp_path / "maker", "service_requests.csv", REQUEST_HEAD + row)
    assert load_service_requests(folders)["99.1"].may_be_asked_by(Role.IMPORT_SUPPLIER)
    assert len(load_service_requests(folders)) == 130
    alerts = write(tmp_path / "maker", "device_alerts.csv", ALERT_HEAD + "9001,Battery low,non-critical,yes,ESME,,,,\n")
    assert load_device_alerts(alerts)[0x9001].name == "Battery low"
    assert len(load_use_cases(folders)) == 240


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: the columns are"),
        ("a,b\n", "line 1: the columns are"),
        (REQUEST_HEAD + "7.2,Mine,no,on-demand,,yes,ESME,,Mine\n", "line 2: 7.2 stands in the table already"),
        (REQUEST_HEAD + "99.1,Mine,no\n", "line 2: 3 cells, 9 expected"),
        (REQUEST_HEAD + "99.1,Mine,maybe,on-demand,,yes,ESME,,Mine\n", "neither yes nor no"),
        (REQUEST_HEAD + "99.1,Mine,,on-demand,,yes,ESME,,Mine\n", "critical and verified"),
        (REQUEST_HEAD + "99.1,Mine,no,sometimes,,yes,ESME,,Mine\n", "sometimes"),
        (REQUEST_HEAD + "99.1,Mine,no,on-demand,king,yes,ESME,,Mine\n", "king"),
        (REQUEST_HEAD + "99.1,Mine,no,on-demand,,yes,TOASTER,,Mine\n", "TOASTER"),
        (REQUEST_HEAD + "99.1,Mine,no,,,yes,ESME,,Mine\n", "has modes"),
        (REQUEST_HEAD + "99.1,,no,on-demand,,yes,ESME,,Mine\n", "never empty"),
        (REQUEST_HEAD + '99.1,"Mine,no\n', "unexpected end"),
    ],
)
def test_an_addition_that_makes_no_sense_is_told_by_file_and_line(tmp_path, text, told):
    with pytest.raises(CatalogueError, match=told) as caught:
        load_service_requests(write(tmp_path / "maker", "service_requests.csv", text))
    assert "maker" in str(caught.value)


@pytest.mark.parametrize(
    ("load", "name", "head", "row", "told"),
    [
        (load_device_alerts, "device_alerts.csv", ALERT_HEAD, "9001,,critical,yes,,,,,\n", "never empty"),
        (load_device_alerts, "device_alerts.csv", ALERT_HEAD, "xyz,A,critical,yes,,,,,\n", "xyz"),
        (load_device_alerts, "device_alerts.csv", ALERT_HEAD, "9001,A,critical,yes,,,,,king\n", "king"),
        (load_carrier_alerts, "carrier_alerts.csv", "body,name,code,verified\n", "Mine,,,yes\n", "never empty"),
        (
            load_use_cases,
            "use_cases.csv",
            "code,use_case,title,kind,future_dated,replay_protection,access,parties,targets,verified\n",
            "9001,X,Title,command,no,no,write,supplier,ESME,yes\n",
            "neither read nor update",
        ),
    ],
)
def test_other_tables_are_checked_as_well(tmp_path, load, name, head, row, told):
    with pytest.raises(CatalogueError, match=told):
        load(write(tmp_path / "maker", name, head + row))


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    folder = tmp_path / "maker"
    folder.mkdir()
    (folder / "use_cases.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_use_cases([folder])
    (folder / "use_cases.csv").write_bytes(bytes(5 * 2**20))
    with pytest.raises(CatalogueError, match="split it"):
        load_use_cases([folder])
