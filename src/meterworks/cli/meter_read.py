"""`meterworks meter read`: values with their units, whole objects, the object list, and profiles as tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from meterworks.cli.meter_option import Asked, asks_meter, progress_bar
from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.protocols.dlms import ObisCode, decode_all
from meterworks.protocols.dlms.cosem import describe
from meterworks.system import ConfigurationError
from meterworks.system.meter.access import OpenMeter, meter_session, obis_of
from meterworks.system.meter.objects import ObjectBook, Wanted, book_of, explicit_attribute, keep_book
from meterworks.system.meter.profile import ProfileRange, expected_size, profile_rows, read_profile, save_table
from meterworks.system.meter.reading import attributes_of, read_values, value_document, value_row
from meterworks.system.meter.value import instant, plain_json

__all__ = ["read"]

PROFILE_CLASS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """How what is read is chosen and shown."""

    range_: ProfileRange
    output: Path | None
    scaled: bool
    whole: bool
    as_json: bool


@asks_meter
def read(
    asked: Asked,
    what: Annotated[
        list[str] | None,
        typer.Argument(help="OBIS code (1-0:1.8.0.255), short code (1.8.0) or name (clock); /ATTRIBUTE may follow"),
    ] = None,
    attribute: Annotated[
        str | None, typer.Option(help="read one attribute: CLASS/OBIS/NUMBER, as 3/1.0.1.8.0.255/2")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="read a profile, as 1.0.99.1.0.255; values as they are")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="first row's time, UTC unless it has an offset")] = None,
    to: Annotated[str | None, typer.Option("--to", help="last row's time")] = None,
    last: Annotated[int | None, typer.Option(help="so many of a profile's newest rows")] = None,
    output: Annotated[Path | None, typer.Option(help="write the profile to this .csv or .parquet file")] = None,
    whole: Annotated[bool, typer.Option("--all", help="all attributes that this client may read")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="a profile's values as the meter holds them")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="read the object list anew")] = False,
    as_json: AsJson = False,
) -> None:
    """Read anything by OBIS code, short code or name; a profile as a table."""
    range_ = ProfileRange(from_=instant(from_) if from_ else None, to=instant(to) if to else None, last=last)
    how = _How(range_=range_, output=output, scaled=not raw and profile is None, whole=whole, as_json=as_json)
    if profile is not None and what:
        raise ConfigurationError("--profile reads that profile alone: leave out the other codes")
    single = None if attribute is None else explicit_attribute(attribute)
    if attribute is not None and single is None:
        raise ConfigurationError(f"--attribute {attribute}: write it as CLASS/OBIS/NUMBER, as 3/1.0.1.8.0.255/2")
    code = None if profile is None else obis_of(profile)
    with meter_session(asked.access) as meter:
        if single is not None:
            print_json(plain_json(decode_all(meter.client.get(single.address))))
        elif code is not None:
            _print_profile(meter, code, how)
        elif not what:
            _print_list(_book(asked, meter, fresh=fresh), as_json=as_json)
        else:
            _print_values(asked, meter, what, how, fresh=fresh)


def _book(asked: Asked, meter: OpenMeter, *, fresh: bool) -> ObjectBook:
    with progress_bar() as bar:
        task = bar.add_task("reading the object list", total=None)
        return book_of(
            meter.client, client=asked.access.client, cache=asked.cache, fresh=fresh,
            progress=lambda _block, size: bar.update(task, completed=size),
        )  # fmt: skip


def _print_list(book: ObjectBook, *, as_json: bool) -> None:
    rows = [
        {
            "class": entry.class_id,
            "version": entry.version,
            "obis_code": entry.obis_code.text,
            "name": describe(entry.obis_code),
        }
        for entry in book.entries
    ]
    print_rows(rows, as_json=as_json)


def _print_values(asked: Asked, meter: OpenMeter, what: list[str], how: _How, *, fresh: bool) -> None:
    """Values together, then the profiles among them."""
    needs_book = how.whole or any(explicit_attribute(text) is None for text in what)
    book = _book(asked, meter, fresh=fresh) if needs_book else ObjectBook(identity="", entries=())
    wanted = [book.find(text) for text in what]
    profiles = [item for item, text in zip(wanted, what, strict=True) if _is_profile(item, text) and not how.whole]
    values = [item for item in wanted if item not in profiles]
    if how.whole:
        values = [each for item in values for each in attributes_of(item, book)]
    if values:
        known = len(book.scalers)
        results = read_values(meter.client, values, book, conformance=meter.agreed.conformance)
        if len(book.scalers) > known and book.entries and asked.cache is not None:
            keep_book(book, asked.cache, asked.access.client)
        if how.as_json:
            print_json([value_document(result) for result in results])
        else:
            print_rows([value_row(result) for result in results], as_json=False)
        if all(result.error for result in results):
            raise typer.Exit(3)
    for item in profiles:
        _print_profile(meter, item.address.obis_code, how)


def _is_profile(item: Wanted, text: str) -> bool:
    return item.address.class_id == PROFILE_CLASS and item.address.attribute == 2 and text.count("/") < 2


def _print_profile(meter: OpenMeter, code: ObisCode, how: _How) -> None:
    with progress_bar() as bar:
        task = bar.add_task(f"reading {code.text}", total=None)
        if not bar.disable:
            bar.update(task, total=expected_size(meter.client, code, how.range_))
        table = read_profile(
            meter.client, code, how.range_, scaled=how.scaled,
            progress=lambda _block, size: bar.update(task, completed=size),
        )  # fmt: skip
    if how.output is not None:
        save_table(table, how.output)
        notice(f"{table.num_rows} rows written to {how.output}")
    else:
        print_rows(profile_rows(table), as_json=how.as_json)
