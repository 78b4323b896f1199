"""A model learnt from an object list: of real meters' dumps, and of our own; the proposed table builds and serves."""

import gzip

import pytest
from tests.unit.devices.test_companion_model import get, meter_of

from meterworks.devices.companion_model import MODELS
from meterworks.devices.model_proposal import propose_model
from meterworks.devices.model_table import build_model, read_rows
from meterworks.errors import UsageError
from meterworks.protocols.dlms import ObisCode, decode_all
from meterworks.protocols.dlms.cosem import ObjectListEntry, decode_object_list, read_association_dump

FOLDER = "vectors/dlms/associations"
DUMPS = [
    "Kamstrup__Omnipower__low", "Landis+Gyr__E350__WRAPPER-Management", "Landis+Gyr__E570__WRAPPER-Low",
    "Landis+Gyr__E650__ZMD405CT41.0437_S4__DataCollection", "Larsen_Toubro__Regor__WRAPPER-MR",
    "MetCom__MCS301__Management",
]  # fmt: skip


@pytest.mark.parametrize("dump", DUMPS)
def test_a_model_learnt_from_a_dump_builds_and_answers(shared_folder, dump):
    path = shared_folder / FOLDER / f"{dump}.gxc.gz"
    entries = read_association_dump(gzip.decompress(path.read_bytes()).decode("utf-8-sig"))
    proposal = propose_model(entries, name=dump)
    model = proposal.build()
    assert set(model.objects) >= {entry.obis_code for entry in entries if entry.class_id != 12}
    assert proposal.generic == ()
    assert read_rows(proposal.text) == proposal.rows
    meter = meter_of(model)
    for bound in model.objects.values():
        for row, attribute in zip(bound.interface_class.attributes, bound.attributes, strict=True):
            if not attribute.hidden:
                assert isinstance(get(meter, str(bound.obis_code), row.number), bytes)


def test_registers_that_we_know_count(shared_folder):
    path = shared_folder / FOLDER / "Landis+Gyr__E350__WRAPPER-Management.gxc.gz"
    proposal = propose_model(read_association_dump(gzip.decompress(path.read_bytes()).decode("utf-8-sig")))
    assert proposal.sources["register"] + proposal.sources["meter"] > 10
    assert sum(proposal.sources.values()) == len(proposal.rows)
    meter = meter_of(proposal.build())
    assert decode_all(get(meter, "1.0.1.8.0.255")) == meter.view.registers().import_wh > 0


def test_our_own_meter_learnt_from_its_list_is_our_own_meter():
    own = MODELS["meterworks-3"]
    proposal = propose_model(decode_object_list(own.object_lists[1]), name="ours")
    assert set(proposal.sources) == {"meter"}
    assert proposal.phases == 3
    assert proposal.build().object_lists == own.object_lists
    assert build_model("ours", proposal.text, phases=3).object_lists == own.object_lists
    assert "# clock" in proposal.text


def test_an_unknown_class_is_generic_and_a_double_is_left_out():
    unknown = ObjectListEntry(class_id=9000, version=3, obis_code=ObisCode("0.0.128.0.0.255"))
    proposal = propose_model([unknown, unknown])
    assert proposal.generic == (unknown, unknown)
    assert proposal.left_out == (unknown,)
    assert proposal.build().objects[unknown.obis_code].interface_class.generic
    assert len(proposal.rows) == 5  # our own associations come with it
    with pytest.raises(UsageError, match="empty"):
        propose_model([])
