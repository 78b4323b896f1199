"""`meterworks meter update`: transfer an image, verify and activate it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from meterworks.cli.meter_option import Asked, Confirmed, DryRun, asks_meter, confirm, progress_bar
from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json
from meterworks.system import ConfigurationError
from meterworks.system.meter.access import obis_of
from meterworks.system.meter.image import IMAGE_SIZE_MAX, ImagePlan, Said, image_transfer_object
from meterworks.system.meter.update import update_document, update_meter

__all__ = ["update"]


@asks_meter
def update(
    asked: Asked,
    image: Annotated[Path, typer.Argument(help="file of the image")],
    identifier: Annotated[
        str | None, typer.Option(help="identifier of the image, text or hex:..; the file's name if left out")
    ] = None,
    channel: Annotated[int, typer.Option(help="M-Bus channel of the device to update; 0 the meter itself")] = 0,
    instance: Annotated[str | None, typer.Option(help="OBIS code of the image transfer object")] = None,
    going_on: Annotated[
        bool, typer.Option("--continue", help="go on with the transfer under way without beginning it anew")
    ] = False,
    no_activate: Annotated[bool, typer.Option("--no-activate", help="stop after the verification")] = False,
    dry_run: DryRun = False,
    yes: Confirmed = False,
    as_json: AsJson = False,
) -> None:
    """Transfer an image to a meter or to an M-Bus device behind it, verify and activate it."""
    plan = ImagePlan(
        image=_image(image), identifier=_identifier(identifier, image), initiate=not going_on,
        activate=not no_activate, instance=obis_of(instance) if instance else image_transfer_object(channel),
    )  # fmt: skip
    whom = f"the device on channel {channel}" if channel else "the meter"
    ending = "verify" if no_activate else "verify and activate"
    notice(
        f"{image.name}, {len(plan.image)} octets, identifier {plan.identifier.hex()}: transfer to {whom} at"
        f" {asked.access.target} ({plan.instance.text}), {ending} it"
    )
    if dry_run:
        notice("nothing was sent")
        return
    confirm("Do it?", yes=yes)
    with progress_bar() as bar:
        task = bar.add_task("connecting", total=len(plan.image))
        report = update_meter(asked.access, plan, tell=lambda said: _tell(bar, task, said))
    if as_json:
        print_json(update_document(report))
        return
    status = report.image.status.name.lower().replace("_", " ")
    notice(f"{status}: {report.image.sent} blocks sent, {report.image.kept} of {report.image.blocks} were there")
    for code, before in report.before.items():
        now = "?" if report.after is None else report.after.get(code, "?")
        notice(f"firmware {code}: {before}" + (f" → {now}" if plan.activate else ""))


def _tell(bar: Progress, task: TaskID, said: Said) -> None:
    bar.update(task, description=said.phase, completed=said.done if said.of else None)
    if bar.disable and not said.of:
        notice(f"... {said.phase}")


def _image(path: Path) -> bytes:
    try:
        if path.stat().st_size > IMAGE_SIZE_MAX:
            raise ConfigurationError(f"{path} is larger than {IMAGE_SIZE_MAX} octets")
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"image {path} cannot be read: {error.strerror}", path=str(path)) from error


def _identifier(text: str | None, image: Path) -> bytes:
    if text is None:
        return image.stem.encode()
    if not text.startswith("hex:"):
        return text.encode()
    try:
        return bytes.fromhex(text.removeprefix("hex:"))
    except ValueError as error:
        raise ConfigurationError(f"--identifier {text}: hex digits expected behind hex:") from error
