"""Seeded defects of keys: how they are made, kept and used."""

import importlib
from pathlib import Path

from pkcs11 import Attribute
from tests.security.seeded import Defect, replaced

from meterworks.trust import envelope
from meterworks.trust.entropy import HealthTestedSource
from meterworks.trust.keystore import FileKeyVault, file_vault, pkcs11_vault
from meterworks.trust.keystore.key_pair import VaultKeyPair
from meterworks.trust.secret_file import replace_secret_file
from meterworks.world import neighbourhood_store

__all__ = ["DEFECTS"]

known_key = importlib.import_module("meterworks.trust.known_key")  # the package has a function of that name


class _Clear:
    """A cipher that enciphers nothing."""

    def __init__(self, _key: bytes) -> None:
        pass

    def encrypt(self, _nonce: bytes, content: bytes, _data: bytes) -> bytes:
        return content

    def decrypt(self, _nonce: bytes, content: bytes, _data: bytes) -> bytes:
        return content


def _written_over(path: Path, content: bytes, what: str) -> bool:
    replace_secret_file(path, content, what)
    return True


def _counted_out(count: int) -> bytes:
    """The same key for every meter."""
    return (bytes(range(7, 7 + 32)) * (count // 32 + 1))[:count]


def _unbound(secret: bytes, *_: object) -> bytes:
    return bytes(32) if secret == bytes(32) else secret[:32]


DEFECTS: tuple[Defect, ...] = (
    Defect(
        "all meters leave the factory with the same keys",
        "test_no_two_devices_share_a_key_and_none_is_made_of_what_is_printed_on_it",
        replaced(neighbourhood_store, "secrets", type("Chance", (), {"token_bytes": staticmethod(_counted_out)})),
    ),
    Defect(
        "nobody looks whether a key of a shipment came twice",
        "test_a_shipment_in_which_two_devices_have_one_key_is_caught",
        replaced(importlib.import_module("meterworks.registry.shipment"), "_refuse_shared", lambda *_: None),
    ),
    Defect(
        "published keys are not looked up",
        "test_keys_that_everyone_knows_are_refused",
        replaced(known_key, "SECRETS", {}),
    ),
    Defect(
        "a key does not keep to its usage",
        "test_a_key_does_what_it_was_made_for_and_nothing_else",
        replaced(VaultKeyPair, "check_usage", lambda *_: None),
    ),
    Defect(
        "a key is written over by one of another usage",
        "test_no_key_is_put_in_place_of_one_of_another_usage",
        replaced(file_vault, "write_secret_once", _written_over),
    ),
    Defect(
        "key files are not enciphered",
        "test_a_copied_store_is_useless_without_what_opens_it",
        replaced(file_vault, "AESGCM", _Clear),
    ),
    Defect(
        "keys of a token can be taken out",
        "test_a_token_gives_no_private_key_away",
        replaced(
            pkcs11_vault,
            "_KEPT",
            {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
        ),
    ),
    Defect(
        "derived keys hang on the shared secret alone",
        "test_a_derived_key_is_bound_to_both_sides_and_the_purpose",
        replaced(envelope, "_wrapping_key", _unbound),
    ),
    Defect(
        "a closed vault keeps its keys",
        "test_no_key_outlives_its_use",
        replaced(FileKeyVault, "forget", lambda _: None),
    ),
    Defect(
        "a failed health test stops nothing",
        "test_an_ill_source_of_chance_makes_no_key",
        replaced(HealthTestedSource, "_fail", lambda *_: None),
    ),
)
