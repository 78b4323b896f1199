"""How a command proves itself to a meter of a system: with the certificate that its start made for commands."""

from pathlib import Path

from meterworks.links import TlsDemand
from meterworks.system.certificate_file import process_files
from meterworks.system.errors import ConfigurationError
from meterworks.trust.tls import Guard, Interface, TlsFilesError, client_context

__all__ = ["command_tls"]


def command_tls(data: Path) -> TlsDemand:
    """What a connection to a meter of the system shows and asks for. data: the system's folder.

    Raises ConfigurationError where no system was started on the folder, or its files are not for this account.
    """
    files = process_files(data, "command")
    try:
        context = client_context(files, Interface.METER)
    except TlsFilesError as error:
        raise ConfigurationError(
            f"there is no certificate for commands in {data}: give the folder of a system that was started, by --data",
            data=str(data),
        ) from error
    return TlsDemand(context=context, guard=Guard(Interface.METER, is_server=False, credential=files))
