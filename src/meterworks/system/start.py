"""`meterworks up`: from an empty folder to a running system, and its clean end.

Order: hold the data folder, check the ports, certify each process, start the bus; then migrate the database, make the
neighbourhood and the accounts on the first start, while the processes load, which is most of their start, and wait for
the stores. Everything is safe to repeat: a start that was cut short at any moment goes on at the next.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import orjson

from meterworks.catalogue import Role
from meterworks.errors import UnreachableError
from meterworks.market import Credential, ensure_demo_accounts, ensure_operator
from meterworks.registry import Registry, has_device_keys
from meterworks.runtime import (
    METRICS_FOLDER_VARIABLE,
    Bus,
    Child,
    ChildState,
    ChildStatus,
    Database,
    FolderLock,
    NatsServer,
    NatsServerSettings,
    Supervisor,
    SystemClock,
    configure_logging,
    connect_bus,
    get_logger,
    load_clock,
    prepare_metrics_folder,
    together,
    write_atomically,
)
from meterworks.system.baseline import refuse_known_secrets, refuse_unsafe
from meterworks.system.configuration import Configuration, Layout
from meterworks.system.endpoint import endpoints, portal_url
from meterworks.system.identity import BusAdmission, prepared_identities
from meterworks.system.migration import migrate
from meterworks.system.neighbourhood import certify_neighbourhood, enrol_neighbourhood, find_neighbourhood
from meterworks.system.occupied import refuse_occupied
from meterworks.system.seal import seal_rule
from meterworks.system.serving import STORES, answering_as_ready, wait_until_ready
from meterworks.system.serving.renewal import renew_certificates
from meterworks.system.settings import ENVIRONMENT_PREFIX, Origin, Resolved
from meterworks.system.stop import stop_requested
from meterworks.system.trail import tell_at_start
from meterworks.system.vault import as_handed, open_keystore, secrets_for
from meterworks.trust import harden_process
from meterworks.trust.pki import SystemPki

__all__ = ["BEHIND", "Announcer", "bring_up"]

log = get_logger("system.start")

# Who waits for whom. All load at the same time; collection begins when its progress can be watched.
BEHIND: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "audit": (STORES,),  # the first, and so the last to be stopped
        "pki": (STORES, "audit"),
        "writer": (STORES,),
        "fleet": (STORES,),
        "web": (STORES, "audit"),
        "headend": (STORES, "writer", "fleet", "web", "pki"),  # at its first calls meters enrol
    }
)
READY_TIMEOUT_S = 900.0  # the making of the stores is in it: a minute for ten thousand meters
STOP_TIMEOUT_S = 15.0
PROGRESS_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcer:
    """How the start tells the person at the terminal what happens.

    say: a line. step: what is being done now. progress: the head-end's status, about once a second.
    """

    say: Callable[[str], None]
    step: Callable[[str], None]
    progress: Callable[[Mapping[str, object]], None]


class _ProcessBook:
    """Tells the process numbers of the children to whoever looks (`run/processes.json`)."""

    def __init__(self, path: Path, announce: Announcer) -> None:
        self._path = path
        self._announce = announce
        self._numbers: dict[str, int | None] = {}

    def __call__(self, status: ChildStatus) -> None:
        self._numbers[status.name] = status.process_id
        write_atomically(self._path, json.dumps(self._numbers, indent=2).encode())
        if status.state is ChildState.STARTING and status.restarts == 0:
            self._announce.step(f"starting {status.name}")
        elif status.state is ChildState.BACKING_OFF:
            log.warning("process ended", process=status.name, exit_code=status.exit_code)
            self._announce.say(f"{status.name} ended (exit code {status.exit_code}) and is started again")


async def bring_up(resolved: Resolved[Configuration], announce: Announcer) -> None:
    """Start the system and keep it running until SIGINT or SIGTERM; everything is stopped at the end.

    Raises InUseError or FolderInUseError for what another process holds, ChildFailedError for a process that does not
    come up.
    """
    harden_process()
    layout = Layout(resolved.configuration)
    refuse_unsafe(resolved.configuration)
    lock = FolderLock(layout.data, purpose="meterworks up")
    with lock:
        refuse_occupied(endpoints(layout))
        _keep_private(layout)
        configure_logging("supervisor", layout.logs, resolved.configuration.system.log_level, console_level="error")
        prepare_metrics_folder(layout.metrics)
        write_settings(layout, resolved.origins)
        for variable in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
            del os.environ[variable]  # it is in the settings file now, below what the command line said
        await _run(layout, announce)


def _keep_private(layout: Layout) -> None:
    """Close what the system keeps to other accounts of this machine, whatever their umask was so far."""
    os.umask(0o077)
    for folder in layout.private:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)


async def _run(layout: Layout, announce: Announcer) -> None:
    stopping = stop_requested()
    book = _ProcessBook(layout.run / "processes.json", announce)
    embedded = None
    announce.step("preparing certificates")
    authorities = contextlib.ExitStack()
    pki = await asyncio.to_thread(authorities.enter_context, prepared_identities(layout))
    refuse_known_secrets(layout)
    admission = BusAdmission(layout)
    if not layout.configuration.bus.url:
        settings = NatsServerSettings(
            folder=layout.nats,
            tls=admission.news(),
            probe=layout.bus("supervisor").tls,
            port=layout.port(layout.configuration.bus.port),
            output_path=layout.logs / "nats.log",
        )
        embedded = NatsServer(settings)
    nats = Supervisor([embedded.child()] if embedded else [], on_change=book)
    try:
        prepare = _Preparation(layout, pki, authorities)
        work = [_start_and_watch(layout, announce, book, nats, prepare)]
        if embedded is not None:
            work.append(_admit(embedded, admission, layout.configuration.tls.check_s))
        work.append(renew_certificates(layout, ("supervisor", "command", "nats")))
        await _until_stopped(stopping, together(*work))
        announce.step("stopping")
    finally:
        authorities.close()
        await nats.stop()
        if embedded is not None:
            embedded.release()


async def _admit(server: NatsServer, admission: BusAdmission, check_s: float) -> None:
    """Tell the bus's server whose certificates were renewed or revoked; it ends the connections of the revoked."""
    while True:
        await asyncio.sleep(check_s)
        news = await asyncio.to_thread(admission.news)
        if news is not None:
            server.admit(news)


async def _until_stopped(stopping: asyncio.Event, work: Coroutine[None, None, object]) -> None:
    """Run the work until it fails or the stop is asked for; it is then cancelled and cleans up after itself."""
    running = asyncio.ensure_future(work)
    asked = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not running.done():
        running.cancel()
    results = await asyncio.gather(running, asked, return_exceptions=True)
    if isinstance(results[0], Exception):
        raise results[0]


async def _start_and_watch(
    layout: Layout, announce: Announcer, book: _ProcessBook, nats: Supervisor, prepare: "_Preparation"
) -> None:
    await nats.start()
    bus = await connect_bus(layout.bus("supervisor"))
    children = Supervisor(_children(layout, bus), on_change=book, at_once=True)
    starting = asyncio.create_task(children.start())
    try:
        announce.step("preparing the database and the neighbourhood")
        credentials = await prepare()
        async with answering_as_ready(bus, STORES):
            await starting
            _introduce(layout, credentials, announce)
            await _watch(bus, announce)
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await children.stop()
        await bus.close()


def _introduce(layout: Layout, credentials: list[Credential], announce: Announcer) -> None:
    """Tell where the portal is, and the passwords just made."""
    announce.say(f"Portal     {portal_url(layout)}")
    for credential in credentials:
        role = credential.role.value.replace("_", " ").capitalize()
        announce.say(f"{role:<10} {credential.name}  {credential.password}")
    if credentials:
        announce.say("           (passwords are shown this once)")


@dataclass(frozen=True, slots=True)
class _Preparation:
    """Brings the stores to their newest form; the authorities' keys are open until it is done, and not longer."""

    layout: Layout
    pki: SystemPki
    authorities: contextlib.ExitStack

    async def __call__(self) -> list[Credential]:
        """Prepare; gives the accounts just made."""
        try:
            return await _prepare(self.layout, self.pki)
        finally:
            self.authorities.close()


async def _prepare(layout: Layout, pki: SystemPki) -> list[Credential]:
    """Bring the stores to their newest form and make what a first start needs; gives the accounts just made."""
    database = Database(layout.database("supervisor"))
    try:
        await migrate(database)
        neighbourhood = await asyncio.to_thread(find_neighbourhood, layout)
        if layout.configuration.fleet.tls:
            await asyncio.to_thread(certify_neighbourhood, neighbourhood, layout, pki)
        clock = SystemClock(load_clock(layout.clock))
        keystore = open_keystore(layout, may_create=not await has_device_keys(database))
        registry = Registry(database, keystore, clock=clock, seals=lambda: seal_rule(layout))
        await registry.seed_channels()
        await enrol_neighbourhood(neighbourhood, registry, layout, pki)
        password = await ensure_operator(database)
        made = [] if password is None else [_operator(password)]
        if layout.configuration.system.demo:
            made += await ensure_demo_accounts(database, registry, now=clock.now(), since=neighbourhood.installed_at)
        await asyncio.to_thread(_tell_accounts, layout, made)
        return made
    finally:
        await database.close()


def _tell_accounts(layout: Layout, made: list[Credential]) -> None:
    """Leave word of the accounts of a first start to the appender, which waits for the stores."""
    for credential in made:
        facts = {"role": credential.role.value}
        about, actor = f"account:{credential.name}", "process:supervisor"
        tell_at_start(layout, "account.created", facts=facts, about=about, cause="first start", actor=actor)


def _operator(password: str) -> Credential:
    return Credential(name="operator", password=password, role=Role.OPERATOR)


def _children(layout: Layout, bus: Bus) -> list[Child]:
    def child(name: str) -> Child:
        async def ready(_process_id: int) -> None:
            await wait_until_ready(bus, name)

        return Child(
            name=name,
            argv=[
                sys.executable,
                "-m",
                "meterworks.cli.main",
                "process",
                name,
                "--config",
                str(layout.run / "settings.toml"),
                *(word for other in BEHIND[name] for word in ("--behind", other)),
                "--secrets-on-input",
            ],
            handed=lambda: as_handed(secrets_for(layout, name)),
            environment={METRICS_FOLDER_VARIABLE: str(layout.metrics.absolute())},
            ready=ready,
            ready_timeout_s=READY_TIMEOUT_S,
            stop_timeout_s=STOP_TIMEOUT_S,
            output_path=layout.logs / f"{name}.out",
        )

    return [child(name) for name in BEHIND]


async def _watch(bus: Bus, announce: Announcer) -> None:
    """Pass the head-end's status on, about once a second."""
    while True:
        started = time.monotonic()
        try:
            announce.progress(orjson.loads(await bus.request("headend.status", b"{}", timeout_s=5.0)))
        except (UnreachableError, orjson.JSONDecodeError):
            announce.step("waiting for the head-end")
        await asyncio.sleep(max(0.0, PROGRESS_S - (time.monotonic() - started)))


def write_settings(layout: Layout, origins: tuple[Origin, ...]) -> None:
    """Keep the settings of this start, so that children and commands beside them stand on the same ones."""
    sections: dict[str, list[str]] = {}
    for origin in origins:
        if (origin.source == "default" and origin.key != "system.data") or origin.value is None:
            continue
        section, _, name = origin.key.partition(".")
        value = os.path.abspath(origin.value) if isinstance(origin.value, Path) else origin.value  # noqa: PTH100
        sections.setdefault(section, []).append(f"{name} = {_toml(value)}")
    text = "".join(f"[{section}]\n{chr(10).join(rows)}\n\n" for section, rows in sections.items())
    write_atomically(layout.run / "settings.toml", text.encode(), mode=0o600)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(part) for part in value)}]"
    return json.dumps(str(value), ensure_ascii=False)
