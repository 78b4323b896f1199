"""`meterworks keystore`: vaults of private keys, and ceremonies of keys that several people hold together.

A ceremony's folder holds, beside the vault under quorum, a vault for the key that signs its protocol: so it can be kept
and used offline, apart from any system. Secrets come from files and go to files of mode 0600; none is an argument, and
none is printed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_rows
from meterworks.system import ConfigurationError

if TYPE_CHECKING:
    from meterworks.trust import CeremonyProtocol, CurveName, PrivateKey, Share

__all__ = ["ShareFiles", "app", "ceremony_protocol", "read_shares"]

app = typer.Typer(help="Vaults of private keys; ceremonies of keys under k of n holders.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="folder of the ceremony; keep it offline")]
HolderNames = Annotated[list[str], typer.Option("--holder", help="name of a holder; once for each")]
Threshold = Annotated[int, typer.Option(help="how many holders are needed")]
ShareFiles = Annotated[list[Path], typer.Option("--share", help="file with a holder's share; once for each")]
Purpose = Annotated[str, typer.Option(help="what for; entered in the ceremony's protocol")]
Vault = Annotated[Path, typer.Option("--vault", help="folder of a file vault")]
Passphrase = Annotated[Path, typer.Option("--passphrase", help="file of mode 0600 with the vault's passphrase")]
PROTOCOL = "protocol.jsonl"
_SECRET_SIZE_MAX = 1024


@app.command()
def init(vault: Vault, passphrase: Passphrase) -> None:
    """Make a vault of files under a passphrase, or open the one that is there."""
    from meterworks.trust import FileKeyVault, secret_from_file

    made = FileKeyVault(vault, secret_from_file(passphrase, "the vault's passphrase"))
    notice(f"the vault {vault} opens; keys in it: {len(made.labels())}")


@app.command(name="list")
def list_keys(vault: Vault, passphrase: Passphrase, as_json: AsJson = False) -> None:
    """List the keys of a vault of files, with the digests of their public halves."""
    from meterworks.trust import FileKeyVault, KeyUsage, known_key_pair, recipient_id, secret_from_file

    opened = FileKeyVault(vault, secret_from_file(passphrase, "the vault's passphrase"))
    rows = []
    for label, usage in opened.labels().items():
        pair = None if usage is KeyUsage.WRAP else opened.key(label)
        rows.append(
            {
                "label": label,
                "usage": usage.value,
                "curve": pair.curve if pair else "AES-256",
                "public_key_sha256": recipient_id(pair.public_key) if pair else None,
                "known": known_key_pair(pair.public_key) if pair else "",
            }
        )
    print_rows(rows, as_json=as_json)


@app.command()
def ceremony(
    folder: Folder,
    holder: HolderNames,
    threshold: Threshold,
    shares: Annotated[Path, typer.Option(help="folder for the shares, one file each: hand them out")],
    recovery: Annotated[str, typer.Option(help="label of an agreement key to make: opens backups and escrow")] = "",
    root: Annotated[str, typer.Option(help="label of a signing key to make: signs authorities")] = "",
    curve: Annotated[str, typer.Option(help="P-256, P-384 or brainpoolP256r1")] = "P-384",
    purpose: Purpose = "new ceremony",
) -> None:
    """Make a vault that only enough holders together open, and the shares of its secret."""
    from meterworks.trust import KeyUsage, Quorum

    quorum, made = Quorum.create(folder, holder, threshold, protocol=ceremony_protocol(folder), purpose=purpose)
    _write_shares(shares, holder, made)
    with quorum.opened(made[:threshold], purpose) as vault:
        for label, usage in ((root, KeyUsage.SIGN), (recovery, KeyUsage.AGREE)):
            if label:
                _write_public(folder, vault.generate(label, usage, _curve(curve)))
    notice(
        f"{threshold} of {len(holder)} holders open {folder}; hand out the shares in {shares}, then delete them there"
    )


@app.command()
def split(
    secret: Annotated[Path, typer.Argument(help="file of mode 0600 with a secret of 16 to 64 octets")],
    holder: HolderNames,
    threshold: Threshold,
    shares: Annotated[Path, typer.Option(help="folder for the shares, one file each")],
) -> None:
    """Share a secret out, such as the PIN of a token: any `threshold` of the shares give it back."""
    from meterworks.trust import secret_from_file, share_out

    _write_shares(shares, holder, share_out(secret_from_file(secret, "the secret")(), threshold, len(holder)))
    notice(
        f"{threshold} of {len(holder)} shares in {shares} give the secret back; hand them out, then delete them there"
    )


@app.command()
def join(
    share: ShareFiles,
    out: Annotated[Path, typer.Option(help="file of mode 0600 that the secret goes to; it may not be there yet")],
) -> None:
    """Put a secret together again out of enough shares."""
    from meterworks.trust import join_secret, write_secret_once

    if not write_secret_once(out, join_secret(read_shares(share)) + b"\n", "the secret"):
        _refuse_present(out)
    notice(f"the secret is in {out}")


@app.command()
def status(folder: Folder, as_json: AsJson = False) -> None:
    """Verify the sealed protocol of a ceremony's folder and print its entries."""
    from meterworks.trust import read_protocol

    key = _protocol_key(folder, may_create=False)
    rows = [
        {
            "number": entry.number,
            "at": entry.at,
            "act": entry.act,
            "people": ", ".join(entry.people),
            "purpose": entry.purpose,
            **({"facts": dict(entry.facts)} if as_json else {}),
        }
        for entry in read_protocol(folder / PROTOCOL, key.public_key)
    ]
    print_rows(rows, as_json=as_json)
    notice(f"the protocol is whole: {len(rows)} entries, each signed")


def ceremony_protocol(folder: Path) -> "CeremonyProtocol":
    """The sealed protocol of a ceremony's folder, signed by a key of its own; made with the first entry."""
    from meterworks.trust import CeremonyProtocol

    return CeremonyProtocol(folder / PROTOCOL, _protocol_key(folder))


def read_shares(paths: Sequence[Path]) -> "list[Share]":
    """Read shares from files of mode 0600. Raises KeyFileError, QuorumError."""
    from meterworks.trust import Share, read_secret_file

    contents = (read_secret_file(path, "a share", size_max=_SECRET_SIZE_MAX) for path in paths)
    return [Share.parse(content.decode(errors="replace")) for content in contents]


def _protocol_key(folder: Path, *, may_create: bool = True) -> "PrivateKey":
    from meterworks.trust import FileKeyVault, KeyStore, KeyUsage

    own = folder / "protocol"
    vault = FileKeyVault(own / "vault", KeyStore.open(own / "master.key", may_create=may_create))
    if PROTOCOL not in vault.labels() and may_create:
        return vault.generate(PROTOCOL, KeyUsage.SIGN, "P-256")
    return vault.key(PROTOCOL)


def _write_shares(folder: Path, holders: Sequence[str], shares: "Sequence[Share]") -> None:
    from meterworks.trust import write_secret_once

    for number, (holder, share) in enumerate(zip(holders, shares, strict=True), 1):
        path = folder / f"share-{number}-{holder}.txt"
        if not write_secret_once(path, f"{share.text()}\n".encode(), "a share"):
            _refuse_present(path)


def _write_public(folder: Path, key: "PrivateKey") -> None:
    """Write the public half beside the vault: what backups and escrow packages are sealed to."""
    from cryptography.hazmat.primitives import serialization

    pem = key.public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path = folder / f"{key.label}.public.pem"
    path.write_bytes(pem)
    notice(f"public key of {key.label}: {path}")


def _curve(name: str) -> "CurveName":
    from meterworks.trust import CURVES

    for known in CURVES:
        if known == name:
            return known
    raise ConfigurationError(f"--curve {name}: take one of {', '.join(CURVES)}")


def _refuse_present(path: Path) -> None:
    raise ConfigurationError(f"{path} is there already and is never written over: take it away, or name another place")
