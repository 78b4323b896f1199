"""`meterworks gb`: service requests of the GB system on a laptop: their commands, the check of those, their forms."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from meterworks.cli.decode import octets_of
from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.errors import UsageError

if TYPE_CHECKING:  # the tables of the GB system are read by the commands that need them
    from meterworks.companions.gb import KeyFolder, Request, Situation
    from meterworks.protocols.gbcs import Message

__all__ = ["app"]

DOCUMENT_SIZE_MAX = 16 << 20
PATH_SIZE_MAX = 250  # longer texts are octets
BROKER_UNIT = 4  # remote party role of an access control broker
CARRIER_UNIT = 5  # of the carrier's party for change of supplier
UNKNOWN_BROKER = "00-00-00-00-00-00-00-00"

app = typer.Typer(help="Service requests of the GB system: commands, checks, forms.", no_args_is_help=True)

RequestFile = Annotated[Path, typer.Argument(help="a service request: DUIS XML, or its JSON form")]
DeviceOption = Annotated[str, typer.Option("--device", help="kind of the target: ESME, GSME, CHF, GPF, PPMID …")]
KeysOption = Annotated[Path | None, typer.Option("--keys", help="folder of certificates and keys, named by EUI-64")]
BrokerOption = Annotated[
    str | None, typer.Option("--broker", help="EUI-64 of the access control broker; absent: the one in --keys")
]
BrokerCounter = Annotated[
    int | None, typer.Option("--broker-counter", help="the counter the broker sends with, where it is the originator")
]
Facts = Annotated[
    list[str] | None,
    typer.Option(
        "--fact",
        help="name=value of what the carrier knows, may be repeated: party, code (a message code the device knows),"
        " second_element, customer_number, kind (EUI-64:kind of another device)",
    ),
]
UnknownParty = Annotated[bool, typer.Option("--unknown-party", help="the device does not hold the user's certificates")]


@app.callback()
def root() -> None:
    """Service requests of the GB system: commands, checks, forms."""


@app.command()
def requests(as_json: AsJson = False) -> None:
    """List the service requests: who may ask them, of which devices, by which use cases."""
    from meterworks.catalogue.gb import load_service_requests

    print_rows(
        [
            {
                "variant": row.variant,
                "name": row.name,
                "critical": "yes" if row.critical else "",
                "roles": " ".join(sorted(row.roles)) if row.verified else "not verified: denied",
                "devices": " ".join(sorted(row.devices)),
                "use_cases": " ".join(row.use_cases),
            }
            for row in load_service_requests().values()
        ],
        as_json=as_json,
    )


@app.command()
def command(
    request: RequestFile,
    device: DeviceOption,
    keys: KeysOption = None,
    broker: BrokerOption = None,
    broker_counter: BrokerCounter = None,
    unknown_party: UnknownParty = False,
    fact: Facts = None,
    sign: Annotated[bool, typer.Option("--sign", help="sign and MAC it with the private keys in --keys")] = False,
) -> None:
    """Print the command a request becomes, in hexadecimal: a critical one as its pre-command, unless --sign."""
    from meterworks.companions.gb.transform import signer_of, transform

    asked, folder = _request(request), _folder(keys)
    known = _situation(folder, device, broker, broker_counter, unknown_party=unknown_party)
    situation = _with_facts(known, fact or [])
    message = transform(asked, situation)
    if sign:
        if folder is None:
            raise UsageError("--sign needs --keys: a folder with the private keys of the signer and of the broker")
        message = _protected(message, folder, signer_of(asked, situation), situation.broker)
    typer.echo(message.to_bytes().hex())


@app.command()
def check(
    request: RequestFile,
    message: Annotated[str, typer.Argument(help="the command or pre-command: hex digits, or a file")],
    device: DeviceOption,
    keys: KeysOption = None,
    broker: BrokerOption = None,
    broker_counter: BrokerCounter = None,
    unknown_party: UnknownParty = False,
    fact: Facts = None,
) -> None:
    """Decode a command and say what it would do; refuse it where that is not what the request asks."""
    from meterworks.companions.gb.correlate import correlate, effects_of

    octets = _message(message)
    known = _situation(_folder(keys), device, broker, broker_counter, unknown_party=unknown_party)
    situation = _with_facts(known, fact or [])
    effects = effects_of(octets)
    typer.echo(str(effects))
    if effects.made_at is not None:  # to the second, which its maker alone knows: a person tells whether it can be
        situation = replace(situation, made_at=effects.made_at)
        notice(f"it says that it was made at {effects.made_at:%Y-%m-%d %H:%M:%S} UTC: that has to be about now")
    correlate(_request(request), octets, situation)
    notice("it does what the request asks, and nothing else")


@app.command()
def convert(
    request: RequestFile,
    to: Annotated[Literal["json", "xml"], typer.Option("--to", help="the form to print")] = "json",
) -> None:
    """Print a request in its other form: XML as DUIS has it, or JSON."""
    from meterworks.companions.gb import write_request
    from meterworks.companions.gb.duis import request_to_json

    asked = _request(request)
    if to == "json":
        print_json(request_to_json(asked))
    else:
        typer.echo(write_request(asked).decode())


@app.command()
def openapi() -> None:
    """Print the OpenAPI components of requests and responses in their JSON form."""
    from meterworks.companions.gb.duis import openapi_components

    print_json({"openapi": "3.1.0", "components": openapi_components()})


def _request(path: Path) -> "Request":
    from meterworks.companions.gb import read_request
    from meterworks.companions.gb.duis import request_from_json

    try:
        if path.stat().st_size > DOCUMENT_SIZE_MAX:
            raise UsageError(f"{path} has more than {DOCUMENT_SIZE_MAX} octets: it is no service request")
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if text.lstrip()[:1] != b"{":
        return read_request(text)
    try:
        return request_from_json(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON document: {error}") from error


def _message(text: str) -> bytes:
    path = Path(text)
    try:
        if len(text) < PATH_SIZE_MAX and path.is_file() and path.stat().st_size <= DOCUMENT_SIZE_MAX:
            return octets_of(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return octets_of(text.encode())


def _folder(keys: Path | None) -> "KeyFolder | None":
    from meterworks.companions.gb import KeyFolder

    return None if keys is None else KeyFolder(keys)


def _situation(
    folder: "KeyFolder | None", device: str, broker: str | None, broker_counter: int | None, *, unknown_party: bool
) -> "Situation":
    """What the options say of the carrier and the device."""
    from meterworks.catalogue.gb import DeviceKind
    from meterworks.companions.gb import Situation

    try:
        kind = DeviceKind(device.upper())
    except ValueError as error:
        raise UsageError(f"--device {device}: one of {', '.join(DeviceKind)}") from error
    brokers = () if folder is None else folder.parties(BROKER_UNIT)
    carriers = () if folder is None else folder.parties(CARRIER_UNIT)
    return Situation(
        device=kind,
        broker=_identity(broker) if broker or not brokers else brokers[0],
        broker_counter=broker_counter,
        change_of_supplier=carriers[0] if carriers else None,
        change_of_supplier_counter=broker_counter,
        knows_originator=not unknown_party,
        certificates={} if folder is None else folder.certificates,
        made_at=datetime.now(UTC),
    )


def _with_facts(situation: "Situation", facts: list[str]) -> "Situation":
    """The situation with facts of the command line."""
    from meterworks.catalogue.gb import DeviceKind, RemoteParty

    for fact in facts:
        name, _, value = fact.partition("=")
        try:
            match name:
                case "party":
                    situation = replace(situation, party=RemoteParty(value))
                case "code":
                    codes = situation.device_codes or frozenset()
                    situation = replace(situation, device_codes=codes | {int(value, 16)})
                case "second_element":
                    situation = replace(situation, has_second_element={"yes": True, "no": False}[value])
                case "customer_number":
                    situation = replace(situation, customer_number=value)
                case "kind":
                    identity, _, kind = value.rpartition(":")
                    kinds = {**situation.device_kinds, _identity(identity): DeviceKind(kind.upper())}
                    situation = replace(situation, device_kinds=kinds)
                case _:
                    raise UsageError(f"--fact {fact}: one of party, code, second_element, customer_number, kind")
        except (ValueError, KeyError) as error:
            raise UsageError(f"--fact {fact}: {name} does not take {value!r}") from error
    return situation


def _identity(text: str | None) -> bytes:
    try:
        identity = bytes.fromhex((text or UNKNOWN_BROKER).replace("-", "").replace(":", ""))
    except ValueError:
        identity = b""
    if len(identity) != 8:
        raise UsageError(f"{text}: an EUI-64 has 16 hexadecimal digits")
    return identity


def _protected(message: "Message", folder: "KeyFolder", signer: bytes | None, broker: bytes) -> "Message":
    from meterworks.protocols.gbcs import identity_text, with_mac, with_signature

    if signer is not None:
        key = folder.signer(signer)
        if key is None:
            raise UsageError(f"the folder of keys has no signing key of {identity_text(signer)}")
        message = with_signature(message, key)
    secret = folder.secret(broker, message.recipient)
    if secret is None:
        ends = f"{identity_text(broker)} and {identity_text(message.recipient)}"
        raise UsageError(f"the folder of keys does not hold what {ends} share")
    return with_mac(message, secret)
