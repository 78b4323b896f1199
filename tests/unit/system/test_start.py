"""The settings of a start are handed to the children through a file that says the same."""

from pathlib import Path

import pytest

from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.endpoint import endpoints, portal_url
from meterworks.system.start import write_settings


def started(tmp_path: Path, **given: object):
    resolved = load_configuration(
        command_line={
            "system.data": tmp_path / "var",
            **{key.replace("__", "."): value for key, value in given.items()},
        }
    )
    layout = Layout(resolved.configuration)
    write_settings(layout, resolved.origins)
    return resolved, layout


def test_children_read_the_settings_the_start_was_given(tmp_path):
    resolved, layout = started(
        tmp_path, web__port=9000, neighbourhood__meters=7, headend__clock_adjust=False, clock__rate=60.5
    )
    again = load_configuration(file=layout.run / "settings.toml")
    assert again.configuration == resolved.configuration


def test_the_settings_file_is_for_its_owner_only(tmp_path):
    _, layout = started(tmp_path)
    assert (layout.run / "settings.toml").stat().st_mode & 0o077 == 0


def test_a_relative_data_folder_is_handed_on_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    resolved = load_configuration()
    write_settings(Layout(resolved.configuration), resolved.origins)
    again = load_configuration(file=tmp_path / "var" / "run" / "settings.toml")
    assert again.configuration.system.data == tmp_path / "var"


def test_the_offset_moves_every_port_of_the_system(tmp_path):
    plain, moved = Layout(load_configuration().configuration), started(tmp_path, system__port_offset=100)[1]
    assert [row.port + 100 for row in endpoints(plain)] == [row.port for row in endpoints(moved)]
    assert 4322 in [row.port for row in endpoints(moved)]
    assert portal_url(moved) == "http://localhost:8180/"
    assert moved.fleet.push_destination == f"127.0.0.1:{moved.headend.push_port}"


def test_no_two_endpoints_of_a_system_share_a_port():
    ports = [row.port for row in endpoints(Layout(load_configuration().configuration))]
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize(
    ("key", "value", "attribute", "found"),
    [
        ("bus.url", "nats://one:4222,nats://two:4222", "bus", "nats://one:4222,nats://two:4222"),
        ("database.url", "postgresql://mw@db/mw", "database", "postgresql://mw@db/mw"),
    ],
)
def test_the_same_keys_take_the_large_engines(key, value, attribute, found):
    layout = Layout(load_configuration(command_line={key: value}).configuration)
    assert getattr(layout, attribute)("web").url == found


def test_an_object_store_takes_its_secret_from_a_file(tmp_path):
    (tmp_path / "secret").write_text("hidden\n")
    layout = Layout(
        load_configuration(
            command_line={
                "warehouse.location": "s3://bucket/readings",
                "warehouse.catalog_url": "postgresql://mw@db/catalog",
                "warehouse.s3_endpoint": "http://store:9000",
                "warehouse.s3_secret_reference": str(tmp_path / "secret"),
            }
        ).configuration
    )
    assert layout.warehouse.location == "s3://bucket/readings"
    assert dict(layout.warehouse.properties) == {
        "s3.endpoint": "http://store:9000",
        "s3.secret-access-key": "hidden",
    }


def test_a_cluster_s_bus_is_not_an_endpoint_of_ours():
    purposes = {
        row.purpose
        for row in endpoints(Layout(load_configuration(command_line={"bus.url": "nats://x:1"}).configuration))
    }
    assert "message bus" not in purposes
