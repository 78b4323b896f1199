"""An emulated electricity meter: a `LogicalDevice` made of a device model and one meter's view.

It checks rights, looks up the object, and hands over to what the model bound. It holds no history and no counters of
its own: those are computed from the load and kept in the fleet's state.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from meterworks.devices.access import CLIENTS, ClientProfile, Rights, rights_of
from meterworks.devices.association_object import is_removed, users_of, with_login
from meterworks.devices.clock_object import recall_local_time
from meterworks.devices.errors import FleetStateError, ModelError
from meterworks.devices.meter_key import put_keys_in_force
from meterworks.devices.model import BoundAttribute, BoundObject, DeviceModel
from meterworks.devices.parameter_monitor import note_parameter
from meterworks.devices.port_protection import is_locked, note_failure, note_success
from meterworks.devices.security_setup import association_settings
from meterworks.devices.short_name_table import ASSOCIATION_NAME, short_names_of
from meterworks.devices.view import LOG_TAMPER, MeterView
from meterworks.devices.watch import catch_up
from meterworks.errors import PeerError, UsageError
from meterworks.protocols.dlms import (
    PDU_SIZE_MAX,
    SHORT_NAME_CONFORMANCE,
    ActionResult,
    AssociationSettings,
    AttributeAddress,
    BaseLogicalDevice,
    DataAccessResult,
    Mechanism,
    MethodAddress,
    PlainValue,
    SecurityEventKind,
    decode_all,
    encode_structure,
)

__all__ = ["ElectricityMeter"]

EVENT_AUTHENTICATION_FAILED: Final = 46
EVENT_DECRYPTION_FAILED: Final = 49
EVENT_REPLAYED: Final = 50

#: Which event of the tamper log a security event becomes. What is not here is written as failed authentication.
_TAMPER_CODES: Final[Mapping[str, int]] = {
    SecurityEventKind.BAD_TAG.value: EVENT_DECRYPTION_FAILED,
    SecurityEventKind.REPLAYED_COUNTER.value: EVENT_REPLAYED,
}


@lru_cache
def _plain_settings(mechanism: Mechanism) -> AssociationSettings:
    """Give what a client without keys must bring; it is the same at every meter."""
    return AssociationSettings(mechanism=mechanism, max_pdu=PDU_SIZE_MAX)


class ElectricityMeter(BaseLogicalDevice):
    """One meter. Made when it is first addressed; costs some hundred octets beside its load."""

    __slots__ = ("_objects", "_remembered", "_short_names", "model", "view")

    def __init__(self, model: DeviceModel, view: MeterView) -> None:
        """Raise ModelError where model and load differ in phases."""
        if model.phases != view.load.phases:
            raise ModelError(
                f"meter {view.specification.serial}: a load of {view.load.phases} phases on a {model.name}"
            )
        self.model = model
        self.view = view
        view.objects = model.objects
        recall_local_time(view)
        self._objects = model.objects
        self._short_names = short_names_of(model) if view.specification.short_names else None
        # Those of the last client: a dictionary would be 200 octets for each meter.
        self._remembered: tuple[int, AssociationSettings] | None = None

    @property
    def system_title(self) -> bytes:
        """Eight octets, unique to the meter."""
        return self.view.specification.system_title

    def association(self, client_sap: int) -> AssociationSettings | None:
        """Give what this client must bring; None for a client that is not in the table of clients."""
        client = CLIENTS.get(client_sap)
        if client is None or is_locked(self.view):
            return None
        settings = with_login(self.view, client_sap, self._settings_of(client_sap, client))
        users = users_of(self.view, client_sap)
        if users:
            settings = replace(settings, users=users)
        if self._short_names is not None:
            settings = replace(settings, short_names=True, conformance=SHORT_NAME_CONFORMANCE)
        return settings

    def _settings_of(self, client_sap: int, client: ClientProfile) -> AssociationSettings:
        if client.ciphered and self.view.state.overlay.values(self.view.index):  # keys and policy may be other ones
            put_keys_in_force(self.view)
            return association_settings(self.view, client.mechanism)
        if client.ciphered and put_keys_in_force(self.view):
            self._remembered = None
        if not client.ciphered:
            return _plain_settings(client.mechanism)
        remembered = self._remembered
        if remembered is None or remembered[0] != client_sap:
            remembered = self._remembered = client_sap, association_settings(self.view, client.mechanism)
        return remembered[1]

    def catch_up(self) -> None:
        """Let everything happen that the meter was to do by itself until now; costs nothing where nothing was set."""
        if self.view.state.overlay.values(self.view.index):
            catch_up(self.view, self.model.bindings.watches)

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> bytes | DataAccessResult:
        """Give an attribute as A-XDR data, or why not. Attribute 0 gives a structure of all that are readable."""
        bound = self._readable(client_sap, address.class_id, address.obis_code)
        if isinstance(bound, DataAccessResult):
            return bound
        self.catch_up()
        if address.attribute == 0:
            return self._get_all(client_sap, bound)
        if not 1 <= address.attribute <= len(bound.attributes):
            return DataAccessResult.OBJECT_UNDEFINED
        try:
            return self._get_one(client_sap, bound.attributes[address.attribute - 1], selection)
        except UsageError:  # the load gave a value that the attribute's type cannot carry
            return DataAccessResult.HARDWARE_FAULT

    def _get_one(self, client_sap: int, attribute: BoundAttribute, selection: bytes | None) -> bytes | DataAccessResult:
        if attribute.read is not None:
            return attribute.read(self.view, selection)
        if selection is not None:
            return DataAccessResult.TYPE_UNMATCHED
        if attribute.constant is not None:
            return attribute.constant
        if attribute.get is None:
            return DataAccessResult.READ_WRITE_DENIED
        return attribute.get(self.view, client_sap)

    def _get_all(self, client_sap: int, bound: BoundObject) -> bytes | DataAccessResult:
        values = []
        for number in range(1, len(bound.attributes) + 1):
            address = AttributeAddress(bound.interface_class.class_id, bound.obis_code, number)
            value = self.get(client_sap, address, None)
            if isinstance(value, DataAccessResult):
                return value
            values.append(value)
        return encode_structure(*values)

    def _readable(self, client_sap: int, class_id: int, obis_code: bytes) -> BoundObject | DataAccessResult:
        """Give the object, when there is one of this class and the client may know of it."""
        bound = self._objects.get(obis_code)
        if self._short_names is not None and obis_code == ASSOCIATION_NAME:
            bound = self._short_names.association
        if bound is None or is_removed(self.view, client_sap, obis_code):
            return DataAccessResult.OBJECT_UNDEFINED
        if not rights_of(client_sap, bound.audience):
            return DataAccessResult.READ_WRITE_DENIED
        if bound.interface_class.class_id != class_id:
            return DataAccessResult.OBJECT_CLASS_INCONSISTENT
        return bound

    def set(self, client_sap: int, address: AttributeAddress, value: bytes) -> DataAccessResult:
        """Write an attribute that the model declares as a setting, if the client may write."""
        bound = self._readable(client_sap, address.class_id, address.obis_code)
        if isinstance(bound, DataAccessResult):
            return bound
        if not 1 <= address.attribute <= len(bound.attributes):
            return DataAccessResult.OBJECT_UNDEFINED
        attribute = bound.attributes[address.attribute - 1]
        if not attribute.writable or Rights.WRITE not in rights_of(client_sap, bound.audience):
            return DataAccessResult.READ_WRITE_DENIED
        self.catch_up()
        try:
            result = attribute.write(self.view, value)
            if result is DataAccessResult.SUCCESS:
                note_parameter(self.view, address, value)
        except FleetStateError:  # the meter's memory is full
            return DataAccessResult.TEMPORARY_FAILURE
        except (PeerError, UsageError):
            return DataAccessResult.TYPE_UNMATCHED
        return result

    def action(
        self, client_sap: int, address: MethodAddress, parameter: bytes | None
    ) -> tuple[ActionResult, bytes | None]:
        """Invoke a method, if the client may execute; give the encoded return value of the few that have one."""
        bound = self._readable(client_sap, address.class_id, address.obis_code)
        if isinstance(bound, DataAccessResult):
            return bound, None
        executor = bound.methods.get(address.method)
        if executor is None:
            return ActionResult.OBJECT_UNDEFINED, None
        if Rights.EXECUTE not in rights_of(client_sap, bound.audience):
            return ActionResult.READ_WRITE_DENIED, None
        self.catch_up()
        try:
            value: PlainValue = None if parameter is None else decode_all(parameter)
            outcome = executor(self.view, value)
            return outcome if isinstance(outcome, tuple) else (outcome, None)
        except (PeerError, UsageError):
            return ActionResult.TYPE_UNMATCHED, None

    def next_invocation_counter(self) -> int:
        """Give the meter's next counter; stored ahead."""
        return self.view.state.next_server_counter(self.view.index)

    def lowest_acceptable_counter(self, client_title: bytes) -> int:
        """Give the smallest counter this client may still use."""
        return self.view.state.lowest_acceptable_counter(self.view.index, client_title)

    def accept_invocation_counter(self, client_title: bytes, counter: int) -> bool:
        """Store a verified counter; False where it was used or no more clients are remembered."""
        return self.view.state.accept_client_counter(self.view.index, client_title, counter)

    def security_event(self, kind: str, client_sap: int) -> None:
        """Record in the tamper log what a client did."""
        del client_sap  # the log of a meter has no room for it
        if kind == SecurityEventKind.AUTHENTICATION_FAILED.value:
            note_failure(self.view)
        self.view.record(LOG_TAMPER, _TAMPER_CODES.get(kind, EVENT_AUTHENTICATION_FAILED))

    # -- short names --------------------------------------------------------------------------------------------------

    def attribute_of(self, client_sap: int, base_name: int) -> AttributeAddress | None:
        """Give the attribute with a short name, for a meter that is addressed by them."""
        del client_sap  # the rights are looked at when the attribute is
        return None if self._short_names is None else self._short_names.attribute_of(base_name)

    def method_of(self, client_sap: int, base_name: int) -> MethodAddress | None:
        """Give the method with a short name, for a meter that is addressed by them."""
        del client_sap
        return None if self._short_names is None else self._short_names.method_of(base_name)

    def association_opened(self, client_sap: int, user_id: int | None) -> None:
        """Remember which user opened the association."""
        self.view.users[client_sap] = user_id or 0
        if CLIENTS[client_sap].ciphered:
            note_success(self.view)
