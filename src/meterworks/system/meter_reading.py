"""Reading any DLMS/COSEM meter from this machine: association, object list, values, a profile as a table.

Used by `meterworks meter read`. Nothing here knows our own meters: what a meter offers is asked of it.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from meterworks.errors import MeterworksError, PeerError
from meterworks.links import BlockingDlmsClient
from meterworks.protocols.dlms import (
    PUBLIC_CLIENT,
    AttributeAddress,
    CaptureLayout,
    CaptureObject,
    ClientSettings,
    CosemDateTime,
    CountUp,
    Mechanism,
    ObisCode,
    RangeSelection,
    ScalerUnit,
    decode_all,
    decode_capture_objects,
    decode_profile,
)
from meterworks.system.errors import ConfigurationError

__all__ = [
    "OWN_SYSTEM_TITLE",
    "MeterAccess",
    "ObjectEntry",
    "load_keys",
    "object_list",
    "open_meter",
    "read_profile",
    "save_table",
]

CURRENT_ASSOCIATION = AttributeAddress(15, ObisCode("0.0.40.0.0.255"), 2)
INVOCATION_COUNTER = AttributeAddress(1, ObisCode("0.0.43.1.0.255"), 2)
PROFILE_CLASS = 7
ROWS_MAX = 2_000_000
KEY_SIZE = 16
TITLE_SIZE = 8

OWN_SYSTEM_TITLE = b"MWC\x00\x00\x00\x00\x01"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterAccess:
    """Where a meter is and as whom it is asked.

    counter: our first invocation counter; None asks the meter through its public client.
    """

    host: str
    port: int = 4059
    client: int = PUBLIC_CLIENT
    server: int = 1
    system_title: bytes = OWN_SYSTEM_TITLE
    guek: bytes | None = field(default=None, repr=False)
    gak: bytes | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    counter: int | None = None
    dedicated: bool = False
    timeout_s: float = 10.0

    @property
    def mechanism(self) -> Mechanism:
        """What the given secrets amount to."""
        if self.guek is not None and self.gak is not None:
            return Mechanism.GMAC
        return Mechanism.LOW if self.password is not None else Mechanism.NONE

    def settings(self) -> ClientSettings:
        """The client settings of this access."""
        return ClientSettings(
            client_sap=self.client,
            server_sap=self.server,
            mechanism=self.mechanism,
            system_title=self.system_title,
            guek=self.guek,
            gak=self.gak,
            password=self.password,
            dedicated_key=secrets.token_bytes(KEY_SIZE) if self.dedicated and self.guek is not None else None,
        )


@dataclass(frozen=True, slots=True, order=True)
class ObjectEntry:
    """A row of a meter's object list."""

    class_id: int
    obis_code: ObisCode
    version: int


def load_keys(path: Path) -> dict[str, bytes]:
    """Read a keys file as `meterworks meter serve` writes it: JSON with hex texts `guek`, `gak`, maybe `password`."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        keys = {name: bytes.fromhex(fields[name]) for name in ("guek", "gak", "password") if fields.get(name)}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"keys file {path} cannot be used: {error}", path=str(path)) from error
    for name in ("guek", "gak"):
        if name in keys and len(keys[name]) != KEY_SIZE:
            raise ConfigurationError(f"keys file {path}: {name} has {len(keys[name])} octets, {KEY_SIZE} expected")
    return keys


def _next_counter(access: MeterAccess) -> int:
    """One above what the meter last accepted, asked through the public client; 0 where it does not tell."""
    public = ClientSettings(client_sap=PUBLIC_CLIENT, server_sap=access.server)
    try:
        with BlockingDlmsClient.connect(
            access.host, access.port, public, counter=CountUp(), timeout_s=access.timeout_s
        ) as client:
            client.associate()
            value = decode_all(client.get(INVOCATION_COUNTER))
            client.release()
    except PeerError:
        return 0
    return value + 1 if isinstance(value, int) and value >= 0 else 0


def open_meter(access: MeterAccess) -> BlockingDlmsClient:
    """Connect and open the association. Raises UnreachableError, SecurityError, RefusedError or PeerError."""
    counter = access.counter
    if counter is None:
        counter = _next_counter(access) if access.mechanism == Mechanism.GMAC else 0
    client = BlockingDlmsClient.connect(
        access.host, access.port, access.settings(), counter=CountUp(counter), timeout_s=access.timeout_s
    )
    try:
        client.associate()
    except MeterworksError:
        client.close()
        raise
    return client


def object_list(client: BlockingDlmsClient, progress: Progress | None = None) -> list[ObjectEntry]:
    """What the meter shows this client, by class and name."""
    rows = decode_all(client.get(CURRENT_ASSOCIATION, progress=progress))
    if not isinstance(rows, list):
        raise PeerError("the meter's object list is not an array")
    entries = []
    for row in rows:
        match row:
            case (int(class_id), int(version), bytes(name), *_) if len(name) == 6:
                entries.append(ObjectEntry(class_id, ObisCode(name), version))
            case _:
                raise PeerError(f"the meter's object list holds {row!r}, no object")
    return sorted(entries)


def _scaler_units(client: BlockingDlmsClient, columns: tuple[CaptureObject, ...]) -> dict[bytes, bytes]:
    """Arrow metadata for the columns that are registers: their unit and scaler, as far as the meter tells."""
    found: dict[bytes, bytes] = {}
    for column in columns:
        if column.class_id not in (3, 4) or column.attribute != 2:
            continue
        try:
            encoded = client.get(AttributeAddress(column.class_id, column.obis_code, 3))
            scaler_unit = ScalerUnit.from_bytes(encoded)
        except MeterworksError:
            continue  # a meter may hide it; the values are then raw
        found[column.obis_code.text.encode()] = f"{scaler_unit.symbol} x 10^{scaler_unit.scaler}".encode()
    return found


def read_profile(
    client: BlockingDlmsClient,
    profile: ObisCode,
    from_: datetime | None = None,
    to: datetime | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Read a profile's rows between two instants (aware; by the rows' own stamps, both ends included), or all of it.

    Gives the rows in the meter's order; column `time` is naive UTC; units stand in the schema's metadata, values are as
    the meter holds them.
    """
    columns = decode_capture_objects(client.get(AttributeAddress(PROFILE_CLASS, profile, 3)))
    period = decode_all(client.get(AttributeAddress(PROFILE_CLASS, profile, 4)))
    layout = CaptureLayout.compile(columns, period if isinstance(period, int) else 0, rows_max=ROWS_MAX)
    selection = None
    if from_ is not None or to is not None:
        selection = RangeSelection(
            from_=CosemDateTime.from_datetime(from_ or datetime.fromisoformat("2000-01-01T00:00:00+00:00")),
            to=CosemDateTime.from_datetime(to or datetime.fromisoformat("2099-12-31T00:00:00+00:00")),
        )
    buffer = client.get(AttributeAddress(PROFILE_CLASS, profile, 2), selection, progress=progress)
    table = pa.Table.from_batches([decode_profile(buffer, layout).to_arrow()])
    return table.replace_schema_metadata(_scaler_units(client, columns))


def save_table(table: pa.Table, path: Path) -> None:
    """Write a table as the file's ending says: `.csv` or `.parquet`."""
    writers: dict[str, Callable[[pa.Table, str], None]] = {".csv": pa_csv.write_csv, ".parquet": pa_parquet.write_table}
    if path.suffix not in writers:
        raise ConfigurationError(f"{path}: name it .csv or .parquet", path=str(path))
    try:
        writers[path.suffix](table, str(path))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}", path=str(path)) from error
