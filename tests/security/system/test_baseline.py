"""Settings that production refuses, each altered on its own (SEC-085)."""

from pathlib import Path

import pytest

from meterworks.system import UnsafeSettingsError
from meterworks.system.baseline import refuse_known_secrets, refuse_unsafe
from meterworks.system.configuration import Configuration, Layout, load_configuration
from meterworks.system.vault import make_secrets

SAFE = {"system.production": True, "system.demo": False, "vault.secret_folder": Path("/run/credentials/meterworks")}
UNSAFE = {
    "system.demo": True,
    "system.log_level": "debug",
    "web.host": "0.0.0.0",
    "fleet.tls": False,
    "fleet.loopback_only": False,
    "fleet.answer_delay_s": 0.1,
    "fleet.loss_probability": 0.1,
    "bus.url": "tls://one:4222,nats://two:4222",
    "database.url": "postgresql://mw@db/mw",
    "warehouse.catalog_url": "postgresql://mw:secret@db/catalog",
    "warehouse.s3_endpoint": "http://store:9000",
    "vault.secret_folder": Path("var/secrets"),
    "tls.lifetime_h": 24 * 365,
    "tls.check_s": 3600.0,
    "clock.rate": 60.0,
}
NAMED = {"web.host": "web.tls", "database.url": "database.tls"}
"""Where the setting that is named is another one than the one altered."""


def configured(**altered: object) -> Configuration:
    given = SAFE | {key.replace("__", "."): value for key, value in altered.items()}
    return load_configuration(command_line=given).configuration


@pytest.mark.requirement("SEC-085")
def test_production_refuses_each_unsafe_setting():
    refused = {}
    for key, value in UNSAFE.items():
        with pytest.raises(UnsafeSettingsError) as error:
            refuse_unsafe(configured(**{key: value}))
        refused[key] = error.value.facts["settings"]
    assert refused == {key: [NAMED.get(key, key)] for key in UNSAFE}


@pytest.mark.requirement("SEC-085")
def test_production_takes_what_is_safe():
    outside = {"database__url": "postgresql://mw@db/mw", "database__tls": True, "bus__url": "tls://one:4222"}
    for settings in ({}, {"web__host": "0.0.0.0", "web__tls": True}, outside):
        assert refuse_unsafe(configured(**settings)) is None


def test_a_machine_of_ones_own_takes_every_setting():
    assert refuse_unsafe(load_configuration(command_line={"fleet.tls": False}).configuration) is None


@pytest.mark.requirement("SEC-085")
def test_production_refuses_a_secret_that_everyone_knows(tmp_path: Path):
    given = SAFE | {"system.data": tmp_path / "var", "vault.secret_folder": tmp_path / "secrets"}
    layout = Layout(load_configuration(command_line=given).configuration)
    make_secrets(layout)
    refuse_known_secrets(layout)
    (layout.secrets / "pki.secret").write_text("password")
    with pytest.raises(UnsafeSettingsError, match="pki"):
        refuse_known_secrets(layout)
