"""Choices of use cases: rows are read, checked and made longer by makers."""

import pytest

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import Condition, DeviceKind, RemoteParty, Sender, load_use_case_choices

HEAD = "variant,devices,condition,code,use_case,payload,sender\n"


def test_conditions_are_paths_texts_and_parties():
    supplier = load_use_case_choices()["6.15.1"][2]
    assert supplier.conditions == (Condition("RemotePartyRole", "LoadController"),)
    assert supplier.party is RemoteParty.SUPPLIER
    single = load_use_case_choices()["6.5"][0]
    assert single.conditions == (
        Condition("SinglePhaseVoltageSettings"),
        Condition("RMSVoltageCountersNotReset", negated=True),
    )


def test_makers_add_choices_behind_those_of_the_standard(tmp_path):
    (tmp_path / "use_case_choices.csv").write_text(HEAD + "6.2.9,ESME SAPC,,2001,MAK01,dlms,user\n")
    rows = load_use_case_choices([tmp_path])["6.2.9"]
    assert [row.use_case for row in rows] == ["ECS26j", "GCS21j", "MAK01"]
    assert rows[-1].devices == {DeviceKind.ESME, DeviceKind.SAPC}
    assert rows[-1].sender is Sender.USER


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("9.9,,,2001,MAK01,dlms,user", "has devices"),
        ("9.9,ESME,!,2001,MAK01,dlms,user", "no path"),
        ("9.9,ESME,by:supplier by:broker,2001,MAK01,dlms,user", "one party"),
        ("9.9,ESME,,2001,MAK01,text,user", "text"),
        ("9.9,ESME,,2001,MAK01,dlms,anybody", "anybody"),
        ("7.1,ESME,,004F,ECS42,dlms,user", "stands in the table already"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(row, why, tmp_path):
    (tmp_path / "use_case_choices.csv").write_text(HEAD + row + "\n")
    with pytest.raises(CatalogueError, match=why):
        load_use_case_choices([tmp_path])
