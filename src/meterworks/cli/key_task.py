"""`meterworks keys` beyond rotation: certificates of meters and ours, secrets of readers, and signed policies."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from cryptography import x509

from meterworks.cli.key_campaign import begin, run_with
from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, layout_of
from meterworks.cli.output import notice, print_rows
from meterworks.system import ConfigurationError

if TYPE_CHECKING:
    from meterworks.headend import KeyLedger

__all__ = ["certificates", "certify", "raise_level", "secret", "sign_policy"]

Devices = Annotated[list[int] | None, typer.Option("--device", help="number of a device, may be repeated")]
Model = Annotated[str | None, typer.Option(help="only meters of this model")]
Reason = Annotated[str, typer.Option(help="why, for the record")]
Pace = Annotated[int, typer.Option(help="jobs begun in a minute; 0 for as fast as sessions allow")]
Watch = Annotated[bool, typer.Option("--watch", help="stay and show how far it is")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would be asked for, and do nothing")]


def certify(
    device: Devices = None,
    model: Model = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="signing, agree or tls, may be repeated; all if absent")
    ] = None,
    ours: Annotated[bool, typer.Option("--ours", help="give them our newest certificate instead")] = False,
    reason: Reason = "",
    pace: Pace = 0,
    watch: Watch = False,
    dry_run: DryRun = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Have meters of suites 1 and 2 make new key pairs, certify them, and replace their certificates."""
    question = {
        "task": "client" if ours else "certificate",
        "kinds": kind or [],
        "devices": device or [],
        "model": model,
        "reason": reason,
        "pace_per_minute": pace,
    }
    begin(layout_of(data, config, settings), question, watch=watch, dry_run=dry_run, as_json=as_json)


def secret(
    device: Devices = None,
    model: Model = None,
    reason: Reason = "",
    pace: Pace = 0,
    watch: Watch = False,
    dry_run: DryRun = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Replace the secrets by which readers prove themselves to meters (mechanisms 3, 4 and 6)."""
    question = {
        "task": "secret", "devices": device or [], "model": model, "reason": reason, "pace_per_minute": pace,
    }  # fmt: skip
    begin(layout_of(data, config, settings), question, watch=watch, dry_run=dry_run, as_json=as_json)


def raise_level(
    file: Annotated[Path, typer.Argument(help="a signed policy, as `keys sign-policy` makes it")],
    policy: Annotated[bool, typer.Option("--policy", help="raise the security policy; without it the suite")] = False,
    device: Devices = None,
    model: Model = None,
    reason: Reason = "",
    pace: Pace = 0,
    watch: Watch = False,
    dry_run: DryRun = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Raise meters to the suite, with new keys, or to the security policy that a signed policy names; never lower."""
    try:
        statement = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file} holds no signed policy: {error}") from error
    question = {
        "task": "policy" if policy else "keys",
        "statement": statement,
        "devices": device or [],
        "model": model,
        "reason": reason,
        "pace_per_minute": pace,
    }
    begin(layout_of(data, config, settings), question, watch=watch, dry_run=dry_run, as_json=as_json)


def sign_policy(
    file: Annotated[Path, typer.Argument(help="where the signed policy goes")],
    vault: Annotated[Path, typer.Option(help="folder of the signer's vault")],
    passphrase: Annotated[Path, typer.Option(help="file of mode 0600 with the vault's passphrase")],
    suite: Annotated[int | None, typer.Option(help="security suite that meters are raised to: 1 or 2")] = None,
    policy: Annotated[str | None, typer.Option(help="security policy in hexadecimal, such as 0x6c")] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="for meters of this model; may be repeated")
    ] = None,
    label: Annotated[str, typer.Option(help="label of the signing key; it is made if it is not there")] = "policy",
    reason: Annotated[str, typer.Option(help="why, for the record")] = "",
) -> None:
    """Sign to which suite or policy meters are raised; the public half goes into the system's keys/policy."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from meterworks.headend import PolicyStatement, SecurityLevel, sign_statement
    from meterworks.runtime import write_atomically
    from meterworks.trust import FileKeyVault, KeyUsage, secret_from_file

    opened = FileKeyVault(vault, secret_from_file(passphrase, "the vault's passphrase"))
    key = opened.key(label) if label in opened.labels() else opened.generate(label, KeyUsage.SIGN, "P-256")
    statement = PolicyStatement(
        level=SecurityLevel(suite=suite, policy=_policy(policy)),
        reason=reason,
        signed_at=datetime.now(UTC),
        models=tuple(model or ()),
    )
    write_atomically(file, sign_statement(statement, key).encode() + b"\n")
    public = file.with_name(f"{label}.pem")
    write_atomically(public, key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    notice(f"{file} is signed; it counts where {public} lies in the data folder's keys/policy")


def _policy(text: str | None) -> int | None:
    try:
        return None if text is None else int(text, 16)
    except ValueError as error:
        raise ConfigurationError(f"{text} is no policy in hexadecimal, such as 0x6c") from error


def certificates(
    within_days: Annotated[int | None, typer.Option(help="only those that end within so many days")] = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """List the certificates of meters that are in force, those that end first at the top."""
    rows = run_with(layout_of(data, config, settings), lambda ledger, *_: _certificates(ledger, within_days))
    print_rows(rows, as_json=as_json)


async def _certificates(ledger: "KeyLedger", within_days: int | None) -> list[dict[str, object]]:
    now = datetime.now(UTC)
    rows: list[tuple[int, int, dict[str, object]]] = []
    async for hands in ledger.certified():
        for hand in hands:
            for kind, each in hand.active().items():
                if each.certificate is None:
                    continue
                found = x509.load_der_x509_certificate(each.certificate)
                days = (found.not_valid_after_utc - now).days
                if within_days is not None and days > within_days:
                    continue
                row = {
                    "device": int(hand.device_id),
                    "kind": str(kind),
                    "version": each.version,
                    "serial": f"{found.serial_number:x}",
                    "issuer": found.issuer.rfc4514_string(),
                    "ends_at": f"{found.not_valid_after_utc:%Y-%m-%d}",
                    "days": days,
                }
                rows.append((days, int(hand.device_id), row))
    return [row for _, _, row in sorted(rows, key=lambda each: each[:2])]
