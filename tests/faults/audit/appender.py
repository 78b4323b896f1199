"""An appender in a process of its own, for tests that kill it: `python appender.py FOLDER START`.

It appends numbered events one after the other and prints each number once it is acknowledged.
"""

import asyncio
import sys
from pathlib import Path

from tests.audited import event, place_in


async def append(folder: Path, number: int) -> None:
    async with place_in(folder, head_records=4) as place, place.appending() as trail:
        while True:
            await trail.append([event(number), event(number + 1)])
            sys.stdout.write(f"{number}\n{number + 1}\n")
            sys.stdout.flush()
            number += 2


if __name__ == "__main__":
    asyncio.run(append(Path(sys.argv[1]), int(sys.argv[2])))
