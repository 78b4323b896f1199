"""`meterworks pki`: the authorities of the system on this machine, and what they certify.

Certificates are judged by the machine's clock. Every act that certifies or revokes is recorded before it is done.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, layout_of
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.system import ConfigurationError

if TYPE_CHECKING:
    from cryptography import x509

    from meterworks.system.authorities import AuthorityView
    from meterworks.trust.pki import CertificateSubject, Hierarchy

__all__ = ["app", "subject_of"]

app = typer.Typer(help="Certificates: authorities, issuing, revocation, verification.", no_args_is_help=True)

ProfileName = Annotated[str, typer.Option("--profile", help="row of the table of profiles, for instance tls-service")]
Identity = Annotated[str, typer.Option(help="who it is for: a name, or 16 hex digits of equipment and GB parties")]
Role = Annotated[str, typer.Option(help="role of a peer, for instance headend, device, organisation")]
Unit = Annotated[int | None, typer.Option(help="remote party role of a GB organisation, 0 to 255")]
Days = Annotated[int | None, typer.Option(min=1, help="valid for so many days, at most the profile's")]


@app.command()
def init(
    hierarchy: Annotated[list[str] | None, typer.Option(help="system, gb or sm-pki; may be repeated")] = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Make the authorities of a hierarchy, keys and all; `meterworks up` does it for its own."""
    from meterworks.system.authorities import found_authorities, recorded
    from meterworks.trust.pki import HIERARCHIES

    wanted = hierarchy or ["system"]
    unknown = sorted(set(wanted) - set(HIERARCHIES))
    if unknown:
        raise ConfigurationError(f"there is no hierarchy {unknown[0]}: it is one of {', '.join(HIERARCHIES)}")
    layout = layout_of(data, config, settings)
    names = found_authorities(layout, cast("list[Hierarchy]", wanted))
    recorded(layout, "root.changed", "pki", hierarchies=", ".join(wanted))
    notice(f"authorities: {', '.join(names)}")
    notice(f"their public files are in {layout.pki_public}")


@app.command()
def show(
    data: DataFolder = None, config: ConfigFile = None, settings: Settings = None, as_json: AsJson = False
) -> None:
    """Show the authorities as a tree: how long each lasts, what it made, and its revocation list."""
    from meterworks.system.authorities import open_authorities, view_authorities

    with open_authorities(layout_of(data, config, settings)) as pki:
        views = view_authorities(pki)
    if as_json:
        from dataclasses import asdict

        print_json([asdict(view) for view in views])
    else:
        _print_tree(views)


@app.command()
def devices(
    state: Annotated[
        str | None, typer.Option(help="only those manufactured, personalised, commissioned or scrapped")
    ] = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Show where devices of sealed shipments stand between maker and operator."""
    from meterworks.system.authorities import device_records

    found = device_records(layout_of(data, config, settings), state)
    rows = [
        {
            "identity": record.identity,
            "serial": record.serial,
            "maker": record.maker,
            "state": record.state.value,
            "since": record.changed_at.isoformat(timespec="seconds"),
        }
        for record in found
    ]
    print_rows(rows, as_json=as_json)


def _print_tree(views: "list[AuthorityView]") -> None:
    from rich.console import Console
    from rich.tree import Tree

    top = Tree("[bold]authorities of this system[/bold]")
    branches: dict[str | None, Tree] = {None: top}
    for view in views:
        branches[view.name] = branches.get(view.parent, top).add(_label(view))
    Console().print(top)


def _label(view: "AuthorityView") -> str:
    from datetime import UTC, datetime

    days = (view.ends_at - datetime.now(UTC)).days
    lasts = f"until {view.ends_at:%Y-%m-%d}, {days} days" if days >= 0 else f"[red]ended {view.ends_at:%Y-%m-%d}[/red]"
    whole = max(1, (view.ends_at - view.starts_at).days)
    bar = "█" * round(10 * max(0, days) / whole)
    trust = " [green]trusted[/green]" if view.trusted else ""
    listed = f"list {view.crl_number}" if view.crl_number else "no list yet"
    return (
        f"[bold]{view.name} {view.generation}[/bold]{trust}  {bar:░<10} {lasts}\n"
        f"[dim]{view.profile} on {view.curve}, {view.certificates} certificates, {view.revoked} revoked, {listed}[/dim]"
    )


@app.command()
def issue(
    profile: ProfileName,
    identity: Identity,
    out: Annotated[Path, typer.Option(help="folder for <identity>.crt and <identity>.key, mode 0600")],
    role: Role = "",
    unit: Unit = None,
    dns: Annotated[list[str] | None, typer.Option(help="host name in the certificate, may be repeated")] = None,
    days: Days = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Make a key here and certify it."""
    from datetime import timedelta

    from meterworks.system.authorities import open_authorities, recorded

    layout = layout_of(data, config, settings)
    subject = subject_of(identity, role=role, unit=unit, dns=dns)
    authority = authority_for(profile, role)
    with open_authorities(layout) as pki:
        recorded(layout, "certificate.issued", _object(subject), profile=profile, authority=authority)
        lifetime = timedelta(days=days) if days else None
        made = pki.issue_credentials(authority, profile, subject, lifetime=lifetime)
        certificate, key = made.write(out, identity)
    notice(f"certificate {made.certificate.serial_number:x} until {made.certificate.not_valid_after_utc:%Y-%m-%d}")
    print_rows([{"certificate": str(certificate), "key": str(key)}], as_json=False)


@app.command()
def sign_request(
    request: Annotated[Path, typer.Argument(help="certification request (PKCS #10), PEM or DER")],
    profile: ProfileName,
    identity: Identity,
    role: Role = "",
    unit: Unit = None,
    days: Days = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Certify the key of a request for an identity you have checked; prints certificate and sub-CAs as PEM."""
    from datetime import timedelta

    from cryptography.hazmat.primitives.serialization import Encoding

    from meterworks.system.authorities import open_authorities, recorded

    layout = layout_of(data, config, settings)
    subject = subject_of(identity, role=role, unit=unit)
    octets = _octets(request)
    authority = authority_for(profile, role)
    with open_authorities(layout) as pki:
        recorded(layout, "certificate.issued", _object(subject), profile=profile, authority=authority)
        lifetime = timedelta(days=days) if days else None
        made = pki.authority(authority).sign_request(profile, subject, octets, lifetime=lifetime)
        chain = (made, *pki.chain_of(authority))
    typer.echo(b"".join(entry.public_bytes(Encoding.PEM) for entry in chain), nl=False)


@app.command()
def revoke(
    certificate: Annotated[str, typer.Argument(help="PEM file, or serial number in hex digits")],
    reason: Annotated[str, typer.Option(help="why, for instance keyCompromise or superseded")] = "unspecified",
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Revoke a certificate and publish the list that names it."""
    from meterworks.system.authorities import issued_by, open_authorities, recorded

    layout = layout_of(data, config, settings)
    with open_authorities(layout) as pki:
        found = issued_by(pki, certificate)
        if found is None:
            raise ConfigurationError(f"no authority of this system issued {certificate}: see `meterworks pki show`")
        authority, held = found
        recorded(layout, "certificate.revoked", f"certificate:{held.serial_number:x}", reason=reason)
        pki.authority(authority).revoke(held, reason)
        pki.write_public(layout.pki_public)
    notice(f"{authority} revoked {held.serial_number:x}; the new list is in {layout.pki_public}")


@app.command()
def crl(data: DataFolder = None, config: ConfigFile = None, settings: Settings = None) -> None:
    """Make new revocation lists of all authorities and publish them."""
    from meterworks.system.authorities import open_authorities, recorded, view_authorities

    layout = layout_of(data, config, settings)
    with open_authorities(layout) as pki:
        views = view_authorities(pki)
        for view in views:
            recorded(layout, "crl.published", f"authority:{view.name}", generation=str(view.generation))
            pki.authority(view.name, view.generation).crl()
        pki.write_public(layout.pki_public)
        rows = [
            {"authority": view.name, "number": view.crl_number, "until": view.crl_ends_at, "revoked": view.revoked}
            for view in view_authorities(pki)
        ]
    print_rows(rows, as_json=False)


@app.command()
def renew(
    authority: Annotated[str, typer.Argument(help="name of the authority")],
    lost: Annotated[bool, typer.Option(help="the everyday root's key is lost: found a new one under recovery")] = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Found the next generation of an authority; a root is linked to the one before, and its sub-CAs follow."""
    from meterworks.system.authorities import open_authorities, recorded

    layout = layout_of(data, config, settings)
    if lost and authority != "root":
        raise ConfigurationError("--lost is for the authority root: any other is renewed under its root")
    with open_authorities(layout) as pki:
        recorded(layout, "root.changed", f"authority:{authority}", how="recovered" if lost else "renewed")
        made = pki.recover() if lost else pki.renew(authority)
        pki.write_public(layout.pki_public)
    notice(f"{made.name} {made.generation} until {made.certificate.not_valid_after_utc:%Y-%m-%d}")


@app.command()
def cross_sign(
    certificate: Annotated[Path, typer.Argument(help="root certificate of the other PKI, PEM")],
    name: Annotated[str, typer.Option(help="the other root's common name, if it has organisation Meterworks")],
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Certify another root by ours: who trusts ours then trusts what it signs. Prints the link certificate."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from meterworks.system.authorities import open_authorities, recorded
    from meterworks.trust.pki import CertificateSubject

    layout = layout_of(data, config, settings)
    other = _certificates(certificate)[0]
    with open_authorities(layout) as pki:
        recorded(layout, "root.changed", f"certificate:{other.serial_number:x}", how="cross-signed")
        made = pki.authority("root").cross_sign(other, "root", CertificateSubject(identity=name))
    typer.echo(made.public_bytes(Encoding.PEM), nl=False)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="certificate, and those above it if any, PEM")],
    profile: ProfileName,
    identity: Annotated[str | None, typer.Option(help="who it must be for")] = None,
    lists: Annotated[bool, typer.Option(help="check revocation lists")] = True,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Judge a certificate by a profile, with the anchors and lists this system publishes; names the rule it breaks."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from meterworks.system.authorities import verdict_on

    layout = layout_of(data, config, settings)
    chain = [entry.public_bytes(Encoding.DER) for entry in _certificates(file)]
    peer = verdict_on(chain, profile, layout.pki_public, identity=identity, lists=lists)
    found = {
        "accepted": True,
        "profile": profile,
        "identity": peer.identity,
        "role": peer.role.value if peer.role else None,
        "unit": peer.unit,
        "path": [entry.subject.rfc4514_string() or f"{entry.serial_number:x}" for entry in peer.path],
        "anchor": peer.anchor.name.rfc4514_string(),
        "warnings": list(peer.warnings),
    }
    print_rows([found], as_json=as_json)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="certificate or certificates, PEM")], as_json: AsJson = False
) -> None:
    """Say what a certificate holds: whom it names, its key and its uses."""
    print_rows([described(entry) for entry in _certificates(file)], as_json=as_json)


def described(certificate: "x509.Certificate") -> dict[str, object]:
    """A certificate as a row for people."""
    from cryptography import x509

    from meterworks.trust.pki import certificate_identity, certificate_role, certificate_unit

    role = certificate_role(certificate)
    key = certificate.public_key()
    extensions = {entry.oid.dotted_string: entry for entry in certificate.extensions}
    usage = extensions.get(x509.KeyUsage.oid.dotted_string)
    names = ("digital_signature", "key_agreement", "key_encipherment", "key_cert_sign", "crl_sign")
    return {
        "number": f"{certificate.serial_number:x}",
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "identity": certificate_identity(certificate),
        "role": role.value if role else None,
        "unit": certificate_unit(certificate),
        "from": certificate.not_valid_before_utc,
        "until": certificate.not_valid_after_utc,
        "key": getattr(getattr(key, "curve", None), "name", type(key).__name__),
        "usage": ", ".join(name for name in names if usage and getattr(usage.value, name)),
        "critical": ", ".join(sorted(oid for oid, entry in extensions.items() if entry.critical)),
    }


def subject_of(
    identity: str, *, role: str = "", unit: int | None = None, dns: list[str] | None = None
) -> "CertificateSubject":
    """Who a certificate is for, as the options say it. Raises ConfigurationError for an unknown role."""
    from meterworks.trust.pki import CertificateSubject, PeerRole

    if role and role not in {entry.value for entry in PeerRole}:
        raise ConfigurationError(
            f"there is no role {role}: it is one of {', '.join(entry.value for entry in PeerRole)}"
        )
    return CertificateSubject(
        identity=identity, role=PeerRole(role) if role else None, unit=unit, dns_names=tuple(dns or ())
    )


def authority_for(profile: str, role: str) -> str:
    """Which authority issues a profile to a role. Raises PkiUsageError for an unknown profile."""
    from meterworks.trust.pki import AUTHORITIES, profile_of

    profile_of(profile)
    holders = [name for name, row in AUTHORITIES.items() if profile in row.issues]
    if role in {"organisation", "maker"}:
        wanted = "maker" if role == "maker" else "organisations"
        holders = [name for name in holders if name == wanted]
    if not holders:
        raise ConfigurationError(f"no authority issues {profile} to {role or 'anybody'}: see docs/pki.md")
    return holders[0]


def _object(subject: "CertificateSubject") -> str:
    return f"{subject.role.value if subject.role else 'party'}:{subject.identity}"


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error


def _certificates(path: Path) -> "list[x509.Certificate]":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(_octets(path))
    except ValueError as error:
        raise ConfigurationError(f"{path}: holds no certificate in PEM ({error})") from error
