"""The configuration of a whole system: one section per folder, and where the embedded engines lie by default.

An empty address means the engine that runs inside the system: a NATS child, SQLite, local Iceberg files, all under
the data folder. The same keys take a NATS cluster, PostgreSQL and an object store.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from meterworks.devices import FaultSettings, FleetSettings
from meterworks.headend import HeadendSettings
from meterworks.market import MarketSettings, OidcSettings, RetentionSettings
from meterworks.readings import WriterSettings
from meterworks.runtime import BusSettings, DatabaseSettings, LogLevel, WarehouseSettings
from meterworks.system.certificate_file import process_files, public_folder
from meterworks.system.privilege import inbox_prefix
from meterworks.system.settings import Resolved, resolve
from meterworks.trust.audit import AuditSettings
from meterworks.trust.pki import PeerRole
from meterworks.trust.tls import Interface, TlsFiles, client_context, require_peer
from meterworks.world import NeighbourhoodSettings

__all__ = ["Configuration", "Layout", "load_configuration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSection:
    """What concerns the system as a whole."""

    data: Path = Path("var")
    """Folder of everything the system keeps on this machine."""
    port_offset: int = 0
    """Added to every port the system listens on, so that a second system can stand beside the first."""
    log_level: LogLevel = "info"
    """Least severity that is logged."""
    demo: bool = True
    """Whether a first start makes accounts for a demonstration consumer and supplier."""
    production: bool = False
    """Whether settings that are only safe on a machine of one's own are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSection:
    """Where portal and API listen."""

    host: str = "127.0.0.1"
    port: int = 8080
    tls: bool = False
    """Whether the portal talks HTTPS. Without it, it listens on this machine only in production."""
    market_host: str = "127.0.0.1"
    """Where market organisations with certificates of their own come to."""
    market_port: int = 8443
    """Their port; HTTPS, no request without a certificate of an organisation; -1 closes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalSection:
    """What the portal shows. The portal stands above this floor, so its settings are handed up from here."""

    unit_price_hundredths_per_kwh: int = 2469
    """Price of a kWh on the consumer's page, in hundredths of the minor unit (2469: 24.69 pence)."""
    standing_charge_hundredths_per_day: int = 5121
    """Standing charge of a day, in hundredths of the minor unit."""
    currency_symbol: str = "£"
    refresh_s: float = 5.0
    """How often the console's live figures are renewed, machine seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusSection:
    """The message bus. `url` empty: a NATS server of our own, listening on `port`."""

    url: str = ""
    """Of an outside server or cluster: tls://HOST:PORT, several joined by commas."""
    port: int = 4222
    anchors: Path | None = None
    """Outside server: the authorities it is judged by, PEM; empty: this system's own."""
    certificate: Path | None = None
    """Outside server: the certificate that every process shows, PEM; empty: each its own one of this system."""
    key: Path | None = None
    """Of that certificate, mode 0600."""
    patience_s: float = 30.0
    """How long a call tries again before it tells that the bus is unreachable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSection:
    """The database of record. `url` empty: SQLite in the data folder; else `postgresql://...`."""

    url: str = ""
    connections_max: int = 10
    tls: bool = False
    """PostgreSQL: whether the connection is encrypted, and the server's name and authority verified."""
    anchors: Path | None = None
    """The authorities the server is judged by, PEM; empty: this system's own."""
    certificate: Path | None = None
    """The certificate that every process shows, PEM; empty: each its own one of this system."""
    key: Path | None = None
    """Of that certificate, mode 0600."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseSection:
    """The readings warehouse. Empty: Iceberg files and catalogue in the data folder."""

    location: str = ""
    catalog_url: str = ""
    shards: int = 4
    """Fixed when the warehouse is made; a month of one shard should stay under 15 million rows."""
    s3_endpoint: str = ""
    s3_region: str = ""
    s3_access_key_id: str = ""
    s3_secret_reference: str = ""
    """Path of a file that holds the secret access key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSection:
    """The system's clock on its first start; later starts go on with `clock.json`."""

    rate: float = 1.0
    """System seconds per machine second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSection:
    """Where private keys of authorities, of signatures and of agreements are kept."""

    kind: Literal["file", "pkcs11"] = "file"
    """Encrypted files in the data folder, or tokens of a hardware security module."""
    secret_folder: Path | None = None
    """Passphrases or PINs, a file `<vault>.secret` of mode 0600 each; empty: in the data folder."""
    module: str = ""
    """PKCS #11: the module's library."""
    token_prefix: str = "meterworks"  # noqa: S105  # a name, no secret
    """PKCS #11: the tokens are named by it, a hyphen and the vault's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSection:
    """Certificates of the system's own processes."""

    lifetime_h: int = 168
    """Hours that a process's certificate is valid; it is renewed when a third of it is left."""
    check_s: float = 5.0
    """How often a process looks for revocations and for certificates to renew, machine seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PkiSection:
    """Where the authorities are asked for certificates and revocation lists."""

    host: str = "127.0.0.1"
    port: int = 8444
    makers: Path | None = None
    """Folder of further makers whose seals are honoured: their roots as .pem, their revocation lists as .crl."""
    owner: str = "meterworks"
    """What makers call this utility: their seals have to be for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSection:
    """How the emulated meters are served."""

    port: int = 4059
    """Port of every meter, each at a loopback address of its own."""
    tls: bool = True
    """Whether meters and head-end talk TLS with certificates at both ends, below the protection of DLMS."""
    loopback_only: bool = True
    """Whether meters answer nobody outside this machine."""
    push_period_s: int = 60
    """How often each meter pushes its power and registers; 0 never."""
    push_concurrency_max: int = 32
    answer_delay_s: float = 0.0
    """Fault for tests: every meter waits this long before each answer."""
    loss_probability: float = 0.0
    """Fault for tests: share of answers that never come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything an operator may set."""

    system: SystemSection = field(default_factory=SystemSection)
    web: WebSection = field(default_factory=WebSection)
    bus: BusSection = field(default_factory=BusSection)
    database: DatabaseSection = field(default_factory=DatabaseSection)
    warehouse: WarehouseSection = field(default_factory=WarehouseSection)
    clock: ClockSection = field(default_factory=ClockSection)
    portal: PortalSection = field(default_factory=PortalSection)
    market: MarketSettings = field(default_factory=MarketSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    oidc: OidcSettings = field(default_factory=OidcSettings)
    headend: HeadendSettings = field(default_factory=HeadendSettings)
    writer: WriterSettings = field(default_factory=WriterSettings)
    fleet: FleetSection = field(default_factory=FleetSection)
    vault: VaultSection = field(default_factory=VaultSection)
    tls: TlsSection = field(default_factory=TlsSection)
    pki: PkiSection = field(default_factory=PkiSection)
    audit: AuditSettings = field(default_factory=AuditSettings)
    neighbourhood: NeighbourhoodSettings = field(default_factory=NeighbourhoodSettings)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie in the data folder, and the embedded engines' addresses made from it."""

    configuration: Configuration

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.configuration.system.data

    @property
    def logs(self) -> Path:
        """Folder of log files, one per process."""
        return self.data / "log"

    @property
    def metrics(self) -> Path:
        """Folder through which the processes share their metrics."""
        return self.data / "metrics"

    @property
    def nats(self) -> Path:
        """The embedded bus's store."""
        return self.data / "nats"

    @property
    def world(self) -> Path:
        """What the emulated neighbourhood remembers."""
        return self.data / "world"

    @property
    def policy_keys(self) -> Path:
        """Public keys of those whose signed policies raise the security of meters, a PEM file each."""
        return self.data / "keys" / "policy"

    @property
    def counter_mark(self) -> Path:
        """How often counters were reserved: outside the database, to notice that an older copy of it came back."""
        return self.data / "keys" / "counters.json"

    @property
    def device_certificates(self) -> Path:
        """The emulated meters' certificates and keys."""
        return self.world / "certificates.sqlite3"

    @property
    def origins(self) -> Path:
        """The book that says from which messages stored readings came."""
        return self.data / "warehouse" / "origins"

    @property
    def clock(self) -> Path:
        """The system's clock settings."""
        return self.data / "clock.json"

    @property
    def master_key(self) -> Path:
        """The key store's master key."""
        return self.data / "keys" / "master.key"

    @property
    def session_secret(self) -> Path:
        """The secret browser sessions are signed with."""
        return self.data / "keys" / "session.key"

    @property
    def pki(self) -> Path:
        """The authorities' book of what they issued, and below `public` what everyone may read of them."""
        return self.data / "pki"

    @property
    def pki_public(self) -> Path:
        """Anchors and revocation lists."""
        return public_folder(self.data)

    @property
    def est_url(self) -> str:
        """Where certificates are renewed."""
        section = self.configuration.pki
        return f"https://{section.host}:{self.port(section.port)}"

    @property
    def vaults(self) -> Path:
        """Encrypted files of private keys, a folder each vault."""
        return self.data / "vault"

    @property
    def secrets(self) -> Path:
        """What opens the vaults."""
        return self.configuration.vault.secret_folder or self.data / "secrets"

    @property
    def heads(self) -> tuple[Path, ...]:
        """Where the signed heads of the audit trail lie: apart from the database, better on other disks."""
        section = self.configuration.audit
        return (Path(section.heads) if section.heads else self.data / "heads", *map(Path, section.further_heads))

    def spool(self, name: str) -> Path:
        """Where a process keeps acts for the trail while nobody takes them."""
        return self.data / "spool" / f"{name}.jsonl"

    def tls_folder(self, name: str) -> Path:
        """Where the certificate and the key of one of the system's processes lie."""
        return self.data / "tls" / name

    def tls(self, name: str) -> TlsFiles:
        """Certificate, key, anchors and revocation lists of one of the system's processes."""
        return process_files(self.data, name)

    @property
    def private(self) -> tuple[Path, ...]:
        """Folders that hold keys, readings or who lives where: for nobody but the system's own account."""
        stores = tuple(
            self.data / name for name in ("db", "warehouse", "keys", "pki", "vault", "secrets", "tls", "spool", "heads")
        )
        return (*stores, self.nats, self.world, self.logs, self.metrics, self.run)

    @property
    def run(self) -> Path:
        """What the running system tells about itself: settings handed to children, process numbers."""
        return self.data / "run"

    def port(self, port: int) -> int:
        """A port with the system's offset; 0 stays 0."""
        return port + self.configuration.system.port_offset if port else 0

    def bus(self, name: str) -> BusSettings:
        """The bus as a process of this name connects to it. Raises TlsFilesError without its certificate."""
        section = self.configuration.bus
        if section.url.startswith("nats://"):  # plain, and so refused in production
            return BusSettings(url=section.url, client_name=name, patience_s=section.patience_s)
        own = not section.url
        files = self._shown(name, section.anchors, section.certificate, section.key)
        context = client_context(files, Interface.BUS, check_hostname=not own)
        return BusSettings(
            url=section.url or f"tls://127.0.0.1:{self.port(section.port)}",
            client_name=name,
            inbox_prefix=inbox_prefix(name),
            patience_s=section.patience_s,
            tls=context,
            tls_first=own,
            check_server=_is_bus if own else None,
        )

    def database(self, name: str) -> DatabaseSettings:
        """The database of record as a process of this name connects to it."""
        section = self.configuration.database
        url = section.url or f"sqlite+aiosqlite:///{self.data / 'db' / 'meterworks.sqlite3'}"
        context = None
        if section.url and section.tls:
            files = self._shown(name, section.anchors, section.certificate, section.key)
            context = client_context(files, Interface.DATABASE, check_hostname=True)
        return DatabaseSettings(url=url, connections_max=section.connections_max, tls=context)

    def _shown(self, name: str, anchors: Path | None, certificate: Path | None, key: Path | None) -> TlsFiles:
        """What a process shows to an engine outside, and judges it by: given files, else its own."""
        own = self.tls(name)
        return TlsFiles(
            certificate or own.certificate,
            key if certificate else own.key,
            anchors or own.anchors,
            None if anchors else own.crl,
        )

    @property
    def warehouse(self) -> WarehouseSettings:
        """The warehouse; the secret of an object store is read from the file its reference names."""
        section = self.configuration.warehouse
        folder = (self.data / "warehouse").absolute()
        properties = {
            "s3.endpoint": section.s3_endpoint,
            "s3.region": section.s3_region,
            "s3.access-key-id": section.s3_access_key_id,
            "s3.secret-access-key": (
                Path(section.s3_secret_reference).read_text().strip() if section.s3_secret_reference else ""
            ),
        }
        return WarehouseSettings(
            location=section.location or str(folder / "files"),
            catalog_url=section.catalog_url or f"sqlite:///{folder / 'catalog.sqlite3'}",
            shards=section.shards,
            properties={name: value for name, value in properties.items() if value},
        )

    @property
    def fleet(self) -> FleetSettings:
        """How the emulated meters are served; they push to this system's head-end."""
        section, headend = self.configuration.fleet, self.headend
        return FleetSettings(
            state_path=self.world / "state.npy",
            loopback_only=section.loopback_only,
            push_destination=f"{headend.push_host}:{headend.push_port}",
            push_period_s=section.push_period_s,
            push_concurrency_max=section.push_concurrency_max,
            faults=FaultSettings(response_delay_s=section.answer_delay_s, loss_probability=section.loss_probability),
        )

    @property
    def meter_port(self) -> int:
        """The port every emulated meter answers on."""
        return self.port(self.configuration.fleet.port)

    @property
    def headend(self) -> HeadendSettings:
        """The head-end's settings with the offset applied to its port."""
        settings = self.configuration.headend
        return replace(settings, push_port=self.port(settings.push_port))


def _is_bus(connection: ssl.SSLObject) -> None:
    """Raises PeerRefused where the certificate at the other end is not that of the message bus."""
    require_peer(connection, {PeerRole.NATS})


def load_configuration(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    command_line: Mapping[str, object] | None = None,
) -> Resolved[Configuration]:
    """The configuration from its four layers; see `meterworks.system.settings`."""
    return resolve(Configuration, file=file, environment=environment, command_line=command_line)
