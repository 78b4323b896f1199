"""Window: bytes under way are bounded, places are given in order, cancelled calls leave no trace."""

import asyncio

from meterworks.runtime.bus.window import Window


async def hold(window: Window, size: int, entered: list[int], release: asyncio.Event) -> None:
    async with window.place(size):
        entered.append(size)
        await release.wait()


async def test_places_are_given_in_order_while_there_is_room():
    window, entered, release = Window(100), [], asyncio.Event()
    tasks = [asyncio.create_task(hold(window, size, entered, release)) for size in (60, 40, 30, 10)]
    await asyncio.sleep(0.001)
    assert entered == [60, 40]  # 10 would fit no more than 30, and does not overtake it
    release.set()
    await asyncio.gather(*tasks)
    assert entered == [60, 40, 30, 10]


async def test_what_is_larger_than_the_window_goes_alone():
    window, entered, release = Window(100), [], asyncio.Event()
    tasks = [asyncio.create_task(hold(window, size, entered, release)) for size in (500, 1)]
    await asyncio.sleep(0.001)
    assert entered == [500]
    release.set()
    await asyncio.gather(*tasks)
    assert entered == [500, 1]


async def test_a_cancelled_call_gives_way_to_the_next():
    window, entered, release = Window(100), [], asyncio.Event()
    first, second, third = (asyncio.create_task(hold(window, size, entered, release)) for size in (100, 99, 50))
    await asyncio.sleep(0.001)
    second.cancel()
    release.set()
    await asyncio.gather(first, third)
    assert entered == [100, 50]
    async with asyncio.timeout(1), window.place(100):
        pass


async def test_a_call_cancelled_while_it_is_admitted_gives_its_place_back():
    window, entered, release = Window(100), [], asyncio.Event()
    first, second = (asyncio.create_task(hold(window, size, entered, release)) for size in (100, 99))
    await asyncio.sleep(0.001)
    release.set()
    await first
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    async with asyncio.timeout(1), window.place(100):
        entered.append(100)
    assert entered[-1] == 100
