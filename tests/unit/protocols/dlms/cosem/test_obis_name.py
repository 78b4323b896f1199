"""Names of objects in words: well-known ones, measured values by grammar, and something for everything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.protocols.dlms import ObisCode, Unit
from meterworks.protocols.dlms.cosem import describe
from meterworks.protocols.dlms.scaler_unit import ScalerUnit

NAMES = """
0-0:1.0.0.255      clock
0-0:25.9.0.255     push setup 0
0-0:25.0.0.255     TCP-UDP setup
0-0:25.1.0.255     IPv4 setup
0-0:25.7.0.255     IPv6 setup
0-0:25.4.0.255     GPRS modem setup
0-0:25.6.0.255     GSM diagnostic
0-0:40.0.0.255     current association
0-0:40.0.3.255     association 3
0-0:41.0.0.255     SAP assignment
0-0:42.0.0.255     logical device name
0-0:43.0.0.255     security setup 0
0-0:43.1.0.255     invocation counter 0
0-0:44.0.0.255     image transfer
0-0:44.1.0.255     function control
0-0:10.0.0.255     script table: global meter reset
0-0:10.0.1.255     script table: end of billing period (MDI reset)
0-0:10.0.100.255   script table: tariffs
0-0:10.0.106.255   script table: disconnect
0-0:10.0.107.255   script table: image activation
0-0:10.0.108.255   script table: push
0-0:11.0.0.255     special days
0-0:12.0.0.255     schedule
0-0:13.0.0.255     activity calendar
0-0:14.0.0.255     register activation
0-0:15.0.2.255     single action schedule: image activation
0-0:16.0.1.255     register monitor 1
0-0:17.0.0.255     limiter
0-0:19.0.0.255     account 0
0-0:19.10.0.255    credit 0
0-0:19.20.0.255    charge 0
0-0:19.40.0.255    token gateway 0
0-0:21.0.1.255     standard readout 1
0-0:22.0.0.255     HDLC setup
0-0:20.0.0.255     optical port (IEC 62056-21)
0-1:24.1.0.255     M-Bus client of channel 1
0-1:24.2.2.255     M-Bus value 2 of channel 1
0-1:24.3.0.255     M-Bus load profile of channel 1
0-1:24.4.0.255     M-Bus disconnect control (valve) of channel 1
0-0:96.1.0.255     device identifier 0
0-0:96.3.10.255    disconnect control
0-0:96.7.21.255    number of power failures in any phase
0-0:96.10.1.255    profile status 1
0-0:96.11.4.255    event code of log 4
0-0:96.13.0.255    consumer message text
0-0:96.13.1.255    consumer message code
0-0:96.14.0.255    current tariff
0-0:96.15.0.255    event counter 0
0-0:97.97.0.255    error register 0
0-0:97.98.0.255    alarm register 1
0-0:97.98.10.255   alarm filter 1
0-0:97.98.20.255   alarm descriptor 1
0-0:98.1.0.255     billing profile
1-0:98.1.0.255     billing profile
0-0:99.98.0.255    event log: standard
0-0:99.98.1.255    event log: fraud detection
0-0:99.98.5.255    event log: communication
1-0:99.1.0.255     load profile 1
1-0:99.2.0.255     load profile 2
1-0:1.8.0.255      active energy import, total
1-0:2.8.1.255      active energy export, total, tariff 1
1-0:3.8.0.255      reactive energy import, total
1-0:5.8.0.255      reactive energy quadrant I, total
1-0:9.8.0.255      apparent energy import, total
1-0:1.7.0.255      active power import, instantaneous
1-0:21.7.0.255     active power import L1, instantaneous
1-0:31.7.0.255     current L1, instantaneous
1-0:72.7.0.255     voltage L3, instantaneous
1-0:13.7.0.255     power factor, instantaneous
1-0:14.7.0.255     supply frequency, instantaneous
1-0:1.6.0.255      active power import, maximum
1-0:1.4.0.255      active power import, current average
1-0:1.5.0.255      active power import, last average
1-0:1.29.0.255     active energy import, last interval
1-0:1.9.0.255      active energy import, this billing period
1-0:32.32.0.255    voltage L1, number of sags
1-0:52.36.0.255    voltage L2, number of swells
1-0:32.7.3.255     voltage L1, harmonic 3, instantaneous
1-0:31.56.124.255  current L1, current average 4, total harmonic distortion
1-0:91.7.0.255     current in neutral, instantaneous
1-0:81.7.40.255    angle of voltage L1 to current L1, instantaneous
1-0:81.7.33.255    angle 33, instantaneous
1-0:0.2.0.255      firmware identifier, metrology part
1-0:0.4.2.255      current transformer ratio
1-0:0.7.9.255      general object 7.9
1-0:1.8.0.3        active energy import, total, billing period 3
1-0:1.8.0.101      active energy import, total, billing period group 101
1-2:1.8.0.255      active energy import, total, channel 2
1-0:1.8.80.255     active energy import, total (80)
7-0:3.0.0.255      gas: forward absolute meter volume, index at metering conditions
7-0:13.2.0.255     gas: forward absolute converter volume, index at base conditions
7-0:1.6.1.255      gas: forward undisturbed meter volume, difference of the measurement period 1 at metering conditions, tariff 1
6-0:1.0.0.255      heat: energy, current value
8-0:1.0.0.255      cold water: accumulated volume, current value
9-1:1.3.0.255      hot water: accumulated volume, value at the billing date, channel 1
4-0:2.2.0.255      heat cost allocator: rated integral, value at the set date
6-0:1.77.0.255     heat: energy, processing 77
0-0:96.50.1.255    maker specific
0-0:96.19.1.255    object 96.19.1
1-0:200.7.0.255    maker specific object 200.7.0
1-0:95.8.0.255     object 95.8.0
1-200:1.8.0.255    active energy import, total, maker's channel 200
0-0:97.98.40.255   alarm object 40
"""  # noqa: E501  # one row is one name
ROWS = [tuple(line.split(maxsplit=1)) for line in NAMES.strip().splitlines()]


@pytest.mark.parametrize(("code", "name"), ROWS, ids=[row[0] for row in ROWS])
def test_a_code_has_its_name(code, name):
    assert describe(ObisCode(code.rpartition(".")[0] + "*" + code.rpartition(".")[2])) == name


@given(st.binary(min_size=6, max_size=6))
def test_every_code_has_some_name(code):
    assert describe(code).strip()


def test_every_unit_but_none_and_other_has_a_symbol():
    assert len(Unit) == 117
    assert {unit for unit in Unit if not ScalerUnit(0, unit).symbol} == {Unit.NONE, Unit.OTHER}
    assert ScalerUnit(0, Unit.VOLT_AMPERE_HOUR).symbol == "VAh"
    assert ScalerUnit(0, 71).symbol == "dBµV"
