"""One emulated meter by itself, for other people's clients: what `meterworks meter serve` runs."""

import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from meterworks.devices import FleetSettings, MeterLoad, MeterSpecification, describe_meter, serve_one
from meterworks.runtime import SystemClock, write_atomically
from meterworks.system.errors import ConfigurationError
from meterworks.system.meter_key import load_keys
from meterworks.system.stop import stop_requested
from meterworks.world import NeighbourhoodSettings, open_neighbourhood

__all__ = ["LoneMeter", "serve_lone_meter"]

KEY_SIZE = 16
SEED_MAX = 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneMeter:
    """Where the meter listens and who stands behind it.

    keys_file: read if it exists, else written (owner only) with fresh keys; None: keys for this run only, told once.
    state_folder: keeps counters and switches between runs; None: forgotten at the end.
    """

    host: str = "127.0.0.1"
    port: int = 4059
    phases: int = 1
    seed: int = 1
    keys_file: Path | None = None
    state_folder: Path | None = None

    def __post_init__(self) -> None:
        if self.phases not in (1, 3):
            raise ConfigurationError(f"a meter has 1 or 3 phases, not {self.phases}")
        if not 0 <= self.seed < SEED_MAX:
            raise ConfigurationError(f"the seed is 0 to {SEED_MAX - 1}, not {self.seed}")


def _keys(meter: LoneMeter) -> dict[str, bytes]:
    if meter.keys_file is not None and meter.keys_file.exists():
        known = load_keys(meter.keys_file)
        if known.guek is None or known.gak is None:
            raise ConfigurationError(f"keys file {meter.keys_file} lacks guek or gak")
        return {"guek": known.guek, "gak": known.gak}
    keys = {name: secrets.token_bytes(KEY_SIZE) for name in ("guek", "gak")}
    if meter.keys_file is not None:
        text = json.dumps({name: key.hex() for name, key in keys.items()}, indent=2)
        write_atomically(meter.keys_file, text.encode(), mode=0o600)
    return keys


def describe(meter: LoneMeter, folder: Path) -> tuple[MeterSpecification, MeterLoad]:
    """The meter's identity and load: a neighbourhood of one, kept in `folder`; its 13 months of history end now."""
    settings = NeighbourhoodSettings(meters=1, seed=meter.seed, three_phase_share=1.0 if meter.phases == 3 else 0.0)
    neighbourhood = open_neighbourhood(folder, settings, now_epoch_s=time.time())
    keys = _keys(meter)
    specification = replace(
        neighbourhood.specification(0), guek=keys["guek"], gak=keys["gak"], address=f"{meter.host}:{meter.port}"
    )
    return specification, neighbourhood.load(0)


def serve_lone_meter(meter: LoneMeter, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. Raises UnreachableError where the address cannot be listened on."""

    async def serve(folder: Path) -> None:
        stopping = stop_requested()
        specification, load = describe(meter, folder)
        settings = FleetSettings(state_path=folder / "state.npy", loopback_only=False)
        fleet = await serve_one(specification, load, SystemClock(), settings=settings)
        for name, value in describe_meter(specification).items():
            announce(f"{name.replace('_', ' '):<20} {value}")
        announce("Ctrl-C ends it")
        try:
            await stopping.wait()
        finally:
            await asyncio.shield(fleet.stop())

    with tempfile.TemporaryDirectory(prefix="meterworks-") as temporary:
        uvloop.run(serve(meter.state_folder or Path(temporary)))
