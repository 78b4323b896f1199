"""What the book of origins says of readings goes after they went, whoever took them away."""

import asyncio
from types import SimpleNamespace

from meterworks.market import RetentionSettings
from meterworks.system import retention


class Keeper:
    """Takes away nothing; what is gone is told from outside, as by a command beside it."""

    def __init__(self, told):
        self.told = list(told)

    async def run(self):
        return (), ()

    async def gone(self):
        if not self.told:
            await asyncio.Event().wait()  # until the test ends
        return self.told.pop(0)


async def test_the_book_is_tidied_when_data_have_gone_and_not_again_before_more_goes(monkeypatch):
    tidied = []
    keeper = Keeper([("first",), ("first",), ("first", "second"), ("first", "second")])

    async def at_once(_seconds):
        await asyncio.sleep(0)

    monkeypatch.setattr(retention, "_keeper", lambda _ground, _warehouse: keeper)
    monkeypatch.setattr(retention, "forget_gone", lambda book, _warehouse: tidied.append((book, len(keeper.told))))
    monkeypatch.setattr(retention, "asyncio", SimpleNamespace(sleep=at_once, to_thread=asyncio.to_thread))
    settings = SimpleNamespace(configuration=SimpleNamespace(retention=RetentionSettings()))
    ground = SimpleNamespace(layout=settings, clock=SimpleNamespace(sleep=at_once))
    work = asyncio.create_task(retention.keep_limits(ground, None, "book"))
    async with asyncio.timeout(10):
        while keeper.told:  # noqa: ASYNC110  # the loop under test is its own clock
            await asyncio.sleep(0)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert tidied == [("book", 3), ("book", 1)]
