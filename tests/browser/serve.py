"""The web application in a process of its own, for a real browser: `python -m tests.browser.serve FOLDER`.

Prints the port it listens at. NiceGUI keeps its state in the process, so tests of the console get a fresh one.
"""

import asyncio
import socket
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from sqlalchemy import insert, select
from tests.integration.market.small_neighbourhood import lay_foundation, open_neighbourhood

from meterworks.market import FactorRow, UserRow
from meterworks.portal import PortalSettings, create_app
from meterworks.runtime import Database
from meterworks.trust.factor import hash_recovery_code

RECOVERY_CODES = tuple(f"browser-{number:03}" for number in range(200))


async def give_codes(database: Database) -> None:
    """Give the operator's account recovery codes that the tests know: one-time codes change too slowly for them."""
    now = datetime.now(UTC)
    async with database.transaction() as connection:
        number = await connection.scalar(select(UserRow.id).where(UserRow.name == "olivia"))
        common = {"user_id": number, "kind": "recovery", "name": "Recovery code", "material": b"", "counter": 0}
        rows = [
            {**common, "reference": f"{number}:{hash_recovery_code(code)}", "created_at": now, "confirmed_at": now}
            for code in RECOVERY_CODES
        ]
        await connection.execute(insert(FactorRow), rows)


async def serve(folder: Path) -> None:
    """Serve until the process is ended."""
    foundation_folder, own_folder = folder / "foundation", folder / "own"
    foundation_folder.mkdir()
    own_folder.mkdir()
    neighbourhood = await open_neighbourhood(await lay_foundation(foundation_folder), own_folder)
    await give_codes(neighbourhood.database)
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
