"""One emulated meter by itself, for other people's clients: what `meterworks meter serve` runs."""

import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from meterworks.devices import (
    CLIENTS,
    ElectricityMeter,
    Fleet,
    FleetSettings,
    MeterLoad,
    MeterSpecification,
    describe_meter,
)
from meterworks.protocols.dlms import AssociationSettings, Mechanism, SecuritySuite
from meterworks.runtime import Clock, SystemClock, write_atomically
from meterworks.system.errors import ConfigurationError
from meterworks.system.meter.key import KEY_SIZES, MeterKeys, load_keys
from meterworks.system.stop import stop_requested
from meterworks.world import NeighbourhoodSettings, open_neighbourhood

__all__ = ["SERVED_MECHANISMS", "ChosenMeter", "LoneFleet", "LoneMeter", "make_keys", "serve_lone_meter"]

SEED_MAX: Final = 2**24
PASSWORD_SIZE: Final = 8
SECRET_SIZE: Final = 16
OWN_STYLE: Final = "meterworks"
SERVED_MECHANISMS: Final[Mapping[str, Mechanism]] = {
    "low": Mechanism.LOW, "md5": Mechanism.MD5, "sha1": Mechanism.SHA1, "gmac": Mechanism.GMAC,
    "sha256": Mechanism.SHA256, "ecdsa": Mechanism.ECDSA,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneMeter:
    """Where the meter listens, who stands behind it, and how it wants to be asked.

    keys_file: read if it exists, else written (owner only) with fresh keys; None: keys for this run only, told once.
    state_folder: keeps counters and switches between runs; None: forgotten at the end. model: a style of device model
    (`meterworks`, `idis`, `dsmr`), with `-1` or `-3` behind it for the number of phases. suite, mechanism: of the
    reader and the management client; the public client needs neither.
    """

    host: str = "127.0.0.1"
    port: int = 4059
    phases: int = 1
    seed: int = 1
    keys_file: Path | None = None
    state_folder: Path | None = None
    framing: Literal["wrapper", "hdlc"] = "wrapper"
    model: str = OWN_STYLE
    suite: int = 0
    mechanism: Mechanism = Mechanism.GMAC
    short_names: bool = False

    def __post_init__(self) -> None:
        if self.phases not in (1, 3):
            raise ConfigurationError(f"a meter has 1 or 3 phases, not {self.phases}")
        if not 0 <= self.seed < SEED_MAX:
            raise ConfigurationError(f"the seed is 0 to {SEED_MAX - 1}, not {self.seed}")
        if self.suite not in KEY_SIZES:
            raise ConfigurationError(f"security suite {self.suite}: there are 0, 1 and 2")
        if self.mechanism == Mechanism.ECDSA and (self.suite == 0 or self.keys_file is None):
            raise ConfigurationError("mechanism ecdsa needs --suite 1 or 2, and --keys FILE for the key pairs")


def make_keys(meter: LoneMeter) -> MeterKeys:
    """The keys of the keys file, or fresh ones, written to it where it is named. Raises ConfigurationError."""
    if meter.keys_file is not None and meter.keys_file.exists():
        known = load_keys(meter.keys_file)
        if known.guek is None or known.gak is None:
            raise ConfigurationError(f"keys file {meter.keys_file} lacks guek or gak")
        if known.suite != meter.suite:
            raise ConfigurationError(f"keys file {meter.keys_file} is of suite {int(known.suite)}, not {meter.suite}")
        if meter.mechanism == Mechanism.LOW and known.password is None:
            raise ConfigurationError(f"keys file {meter.keys_file} lacks the password of mechanism 1")
        if meter.mechanism in (Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256) and known.secret is None:
            raise ConfigurationError(f"keys file {meter.keys_file} lacks the secret of mechanism {meter.mechanism:d}")
        if meter.mechanism == Mechanism.ECDSA and (known.signer is None or known.serve_signer is None):
            raise ConfigurationError(f"keys file {meter.keys_file} lacks signing_key or serve_signing_key")
        return known
    size = KEY_SIZES[meter.suite]
    fresh: dict[str, Any] = {name: secrets.token_bytes(size) for name in ("guek", "gak", "kek")}
    fresh["password"] = secrets.token_hex(PASSWORD_SIZE // 2).encode()
    fresh["secret"] = secrets.token_bytes(SECRET_SIZE)
    if meter.keys_file is None:
        return MeterKeys(suite=SecuritySuite(meter.suite), **fresh)
    document = {"suite": meter.suite} | {name: key.hex() for name, key in fresh.items()}
    if meter.suite:
        document |= _write_pairs(meter.keys_file, meter.suite)
    write_atomically(meter.keys_file, json.dumps(document, indent=2).encode(), mode=0o600)
    return load_keys(meter.keys_file)


def _write_pairs(keys_file: Path, suite: int) -> dict[str, str]:
    """Write fresh signing keys of the clients and of the meter beside the keys file; give the fields that name them."""
    names = {}
    for owner, field in (("client", "signing_key"), ("meter", "serve_signing_key")):
        pair = ec.generate_private_key(ec.SECP256R1() if suite == 1 else ec.SECP384R1())
        path = keys_file.with_name(f"{keys_file.stem}-{owner}.pem")
        write_atomically(path, pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
        names[field] = path.name
        if owner == "meter":
            public = keys_file.with_name(f"{keys_file.stem}-meter-public.pem")
            write_atomically(public, pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
            names["meter_signing_key"] = public.name
    return names


class ChosenMeter(ElectricityMeter):
    """A meter whose clients prove themselves by another mechanism than its model's table of clients says."""

    __slots__ = ("_keys", "_mechanism")

    def __init__(self, meter: ElectricityMeter, mechanism: Mechanism, keys: MeterKeys) -> None:
        super().__init__(meter.model, meter.view)
        self._mechanism = mechanism
        self._keys = keys

    def association(self, client_sap: int) -> AssociationSettings | None:
        """Give what this client must bring."""
        settings = super().association(client_sap)
        if settings is None or settings.mechanism == Mechanism.NONE:
            return settings
        keys = self._keys
        if self._mechanism == Mechanism.ECDSA and keys.signer is not None:
            settings = replace(settings, signer=keys.serve_signer, peer_signing_key=keys.signer.public_key)
        return replace(settings, mechanism=self._mechanism, password=keys.password, secret=keys.secret)


class LoneFleet(Fleet):
    """A fleet of one, with the mechanism of its clients chosen."""

    def __init__(
        self,
        meter: tuple[MeterSpecification, MeterLoad],
        settings: FleetSettings,
        clock: Clock,
        *,
        mechanism: Mechanism,
        keys: MeterKeys,
    ) -> None:
        super().__init__([meter], settings, clock)
        self._mechanism = mechanism
        self._keys = keys
        self._chosen: ElectricityMeter | None = None

    def resolve(self, local_host: str, local_port: int) -> ElectricityMeter | None:
        """Give the meter, wherever it was called."""
        if self._chosen is None:
            meter = self.meter(0)
            chosen = self._mechanism != Mechanism.GMAC
            self._chosen = ChosenMeter(meter, self._mechanism, self._keys) if chosen else meter
        return self._chosen


def describe(meter: LoneMeter, folder: Path) -> tuple[MeterSpecification, MeterLoad, MeterKeys]:
    """The meter's identity and load: a neighbourhood of one, kept in `folder`; its 13 months of history end now."""
    style, phases = _style(meter)
    settings = NeighbourhoodSettings(meters=1, seed=meter.seed, three_phase_share=1.0 if phases == 3 else 0.0)
    neighbourhood = open_neighbourhood(folder, settings, now_epoch_s=time.time())
    keys = make_keys(meter)
    specification = replace(
        neighbourhood.specification(0), guek=keys.guek or b"", gak=keys.gak or b"", kek=keys.kek, suite=keys.suite,
        address=f"{meter.host}:{meter.port}", style=style,
    )  # fmt: skip
    return specification, neighbourhood.load(0), keys


def _style(meter: LoneMeter) -> tuple[str, int]:
    """The style of the model and the number of phases; `idis-3` says both."""
    style, separator, phases = meter.model.rpartition("-")
    if separator and phases in ("1", "3"):
        return style, int(phases)
    return meter.model, meter.phases


def announced(meter: LoneMeter, specification: MeterSpecification, keys: MeterKeys) -> Mapping[str, str]:
    """What a client must know to read the meter. It holds the keys: for the meter's owner only."""
    facts = dict(describe_meter(specification))
    clients = [profile for profile in CLIENTS.values() if profile.ciphered]
    names = " and ".join(f"{profile.client:d} {profile.name}" for profile in clients)
    mechanism = meter.mechanism
    facts["clients"] = (
        f"16 public, no authentication; {names}, mechanism {mechanism:d} {mechanism.name.lower()}, suite {meter.suite}"
    )
    if mechanism == Mechanism.LOW:
        facts["password"] = (keys.password or b"").hex()
    elif mechanism not in (Mechanism.GMAC, Mechanism.ECDSA):
        facts["secret"] = (keys.secret or b"").hex()
    return facts | {"framing": meter.framing, "model": "-".join(map(str, _style(meter)))}


def serve_lone_meter(meter: LoneMeter, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. Raises UnreachableError where the address cannot be listened on."""

    async def serve(folder: Path) -> None:
        stopping = stop_requested()
        specification, load, keys = describe(meter, folder)
        settings = FleetSettings(state_path=folder / "state.npy", loopback_only=False, framing=meter.framing)
        fleet = LoneFleet((specification, load), settings, SystemClock(), mechanism=meter.mechanism, keys=keys)
        await fleet.start()
        for name, value in announced(meter, specification, keys).items():
            announce(f"{name.replace('_', ' '):<20} {value}")
        announce("Ctrl-C ends it")
        try:
            await stopping.wait()
        finally:
            await asyncio.shield(fleet.stop())

    with tempfile.TemporaryDirectory(prefix="meterworks-") as temporary:
        uvloop.run(serve(meter.state_folder or Path(temporary)))
