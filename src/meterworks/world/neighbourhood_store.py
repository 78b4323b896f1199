"""The folder of a neighbourhood: what was made on the first start, and the meters' keys.

`neighbourhood.json` says what was made, `keys.npy` (mode 0600) holds two keys of 16 octets per meter. A later start
goes on with it; wishes that differ are refused, since registry and warehouse already know the meters made first.
"""

import hashlib
import io
import json
import secrets
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from meterworks.runtime import write_atomically
from meterworks.world.climate import DAY_S, Calendar
from meterworks.world.errors import NeighbourhoodError
from meterworks.world.neighbourhood import MadeNeighbourhood, Neighbourhood
from meterworks.world.replay_file import ReplayFile, ReplayOptions, read_replay_file
from meterworks.world.settings import METERS_DEFAULT, NeighbourhoodSettings

__all__ = ["open_neighbourhood"]

HISTORY_DAYS: Final = 397
KEY_SIZE, KEYS_PER_METER = 16, 2
SCHEMA, VERSION = "meterworks-neighbourhood", 1
SEED_BITS: Final = 63
_WAYS_OUT: Final = "start with the same, or with another data folder, or clear this one (make clean)"
# Those whose None means "as before" on a later start; the others count as wished when they are not the default.
_OPTIONAL: Final = ("meters", "seed", "replay")


def open_neighbourhood(folder: Path, settings: NeighbourhoodSettings, *, now_epoch_s: float) -> Neighbourhood:
    """Give the folder's neighbourhood; make it on the first start.

    Raises NeighbourhoodError where the settings ask for another than was made, ReplayFileError for a file that cannot
    be replayed.
    """
    path, keys_path = folder / "neighbourhood.json", folder / "keys.npy"
    if path.exists():
        made, first_settings = _load(path)
        settings = _settled(settings, first_settings, folder)
        file = _replay_file(settings)
        _refuse_another_file(file, made, settings, folder)
        return Neighbourhood(made, _load_keys(keys_path, made.meters), settings, file)
    file = _replay_file(settings)
    made = _make(settings, file, int(now_epoch_s))
    settings = replace(settings, meters=made.meters, seed=made.seed)
    keys = np.frombuffer(secrets.token_bytes(made.meters * KEYS_PER_METER * KEY_SIZE), np.uint8)
    keys = keys.reshape(made.meters, KEYS_PER_METER, KEY_SIZE)
    content = io.BytesIO()
    np.save(content, keys)
    write_atomically(keys_path, content.getvalue(), mode=0o600)
    # The description comes last: where it stands, the keys stand too.
    document = {"schema": SCHEMA, "version": VERSION, "made": asdict(made), "settings": _plain(settings)}
    write_atomically(path, json.dumps(document, indent=1).encode(), mode=0o600)
    return Neighbourhood(made, keys, settings, file)


def _make(settings: NeighbourhoodSettings, file: ReplayFile | None, now_epoch_s: int) -> MadeNeighbourhood:
    seed = secrets.randbits(SEED_BITS) if settings.seed is None else settings.seed
    if file is None:
        return MadeNeighbourhood(
            seed=seed,
            meters=METERS_DEFAULT if settings.meters is None else settings.meters,
            starts_epoch_s=_installation(settings, now_epoch_s),
        )
    homes = len(file.homes)
    if settings.meters is not None and settings.meters > homes:
        raise NeighbourhoodError(
            f"{settings.meters} meters are wanted, but {file.path} has {homes} households: ask for {homes} at most"
        )
    shift_s = file.shift_to(now_epoch_s) if settings.replay_shift else 0
    return MadeNeighbourhood(
        seed=seed,
        meters=homes if settings.meters is None else settings.meters,
        starts_epoch_s=file.first_epoch_s + shift_s,
        replay_digest=_digest(file.path),
        replay_shift_s=shift_s,
    )


def _installation(settings: NeighbourhoodSettings, now_epoch_s: int) -> int:
    """Give the local midnight at or before 13 months ago: by then a meter's whole memory is full."""
    zone = Calendar(settings.time_zone).zone
    before_s = now_epoch_s - HISTORY_DAYS * DAY_S
    midnight = int(zone.local_midnights(before_s - 2 * DAY_S, before_s + 1)[-1])
    return midnight - midnight % settings.interval_s


def _replay_file(settings: NeighbourhoodSettings) -> ReplayFile | None:
    if settings.replay is None:
        return None
    options = ReplayOptions(zone=settings.replay_zone, label=settings.replay_label, unit=settings.replay_unit)
    return read_replay_file(settings.replay, options)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- a later start ---------------------------------------------------------------------------------------------------


def _settled(wished: NeighbourhoodSettings, first: NeighbourhoodSettings, folder: Path) -> NeighbourhoodSettings:
    """Give the settings of the first start; refuse wishes that differ from them."""
    defaults = NeighbourhoodSettings()
    for field in fields(NeighbourhoodSettings):
        name = field.name
        wish, settled = getattr(wished, name), getattr(first, name)
        if name == "replay" or wish == settled or wish == getattr(defaults, name):
            continue
        shown = "no such number" if settled is None else settled
        raise NeighbourhoodError(f"{folder} holds a neighbourhood made with {name} = {shown}, not {wish}: {_WAYS_OUT}")
    if wished.replay is not None and first.replay is None:
        raise NeighbourhoodError(f"{folder} holds a neighbourhood of emulated homes, not one replayed: {_WAYS_OUT}")
    return first if wished.replay is None else replace(first, replay=wished.replay)


def _refuse_another_file(
    file: ReplayFile | None, made: MadeNeighbourhood, settings: NeighbourhoodSettings, folder: Path
) -> None:
    if file is not None and _digest(file.path) != made.replay_digest:
        raise NeighbourhoodError(
            f"{folder} holds a neighbourhood replayed from another file than {settings.replay}: {_WAYS_OUT}"
        )


def _plain(settings: NeighbourhoodSettings) -> dict[str, Any]:
    replay = None if settings.replay is None else str(settings.replay.resolve())
    return {**asdict(settings), "replay": replay}


def _load(path: Path) -> tuple[MadeNeighbourhood, NeighbourhoodSettings]:
    try:
        document = json.loads(path.read_bytes())
        if (document["schema"], document["version"]) != (SCHEMA, VERSION):
            raise NeighbourhoodError(f"{path} was written by another version: start with another data folder")
        settings = document["settings"]
        replay = None if settings["replay"] is None else Path(settings["replay"])
        return MadeNeighbourhood(**document["made"]), NeighbourhoodSettings(**{**settings, "replay": replay})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NeighbourhoodError(f"{path} cannot be read ({error}): start with another data folder") from error


def _load_keys(path: Path, meters: int) -> npt.NDArray[np.uint8]:
    try:
        keys: npt.NDArray[np.uint8] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise NeighbourhoodError(f"the meters' keys in {path} cannot be read: {error}") from error
    if keys.shape != (meters, KEYS_PER_METER, KEY_SIZE) or keys.dtype != np.uint8:
        raise NeighbourhoodError(f"{path} does not hold the keys of {meters} meters: start with another data folder")
    return keys
