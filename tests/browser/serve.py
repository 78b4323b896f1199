"""The web application in a process of its own, for a real browser: `python -m tests.browser.serve FOLDER`.

Prints the port it listens at. NiceGUI keeps its state in the process, so tests of the console get a fresh one.
"""

import asyncio
import socket
import sys
from dataclasses import replace
from pathlib import Path

import uvicorn
from tests.integration.market.small_neighbourhood import lay_foundation, open_neighbourhood

from meterworks.portal import PortalSettings, create_app


async def serve(folder: Path) -> None:
    """Serve until the process is ended."""
    foundation_folder, own_folder = folder / "foundation", folder / "own"
    foundation_folder.mkdir()
    own_folder.mkdir()
    neighbourhood = await open_neighbourhood(await lay_foundation(foundation_folder), own_folder)
    app = create_app(
        neighbourhood.services,
        neighbourhood.settings,
        portal_settings=replace(PortalSettings(), refresh_s=1.0),
        session_secret=b"s" * 32,
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # from here on a browser may connect; it is answered as soon as the server runs
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, http="httptools", ws="websockets-sansio"))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
