"""The promises of a bus, kept by both kinds alike."""

import asyncio

import pytest

from meterworks.errors import RefusedError, UnreachableError, UsageError
from meterworks.runtime import BusSettings, BusUsageError, ResponderError, connect_bus


async def read_all(bus, stream="LOG", **options):
    return await bus.fetch(stream, timeout_s=0, **options)


async def test_published_messages_come_back_in_order_with_their_sequence(log_bus):
    sequences = [await log_bus.publish("log.a", b"%d" % number, headers={"schema": "x"}) for number in range(5)]
    messages = await read_all(log_bus)
    assert sequences == [1, 2, 3, 4, 5]
    assert [(message.sequence, message.data) for message in messages] == [(n + 1, b"%d" % n) for n in range(5)]
    assert (messages[0].subject, dict(messages[0].headers)) == ("log.a", {"schema": "x"})


async def test_a_message_without_headers_has_none_of_the_buss_own(log_bus):
    await log_bus.publish("log.a", b"x", message_id="17")
    assert dict((await read_all(log_bus))[0].headers) == {}


async def test_a_message_id_is_kept_once(log_bus):
    first = await log_bus.publish("log.a", b"x", message_id="set-1")
    second = await log_bus.publish("log.a", b"x", message_id="set-1")
    third = await log_bus.publish("log.a", b"y", message_id="set-2")
    assert (first, second, third) == (1, 1, 2)
    assert len(await read_all(log_bus)) == 2


async def test_a_reader_gets_what_comes_after_its_position(log_bus):
    for number in range(5):
        await log_bus.publish("log.a", b"%d" % number)
    assert [message.sequence for message in await read_all(log_bus, after_sequence=3)] == [4, 5]
    assert await read_all(log_bus, after_sequence=5) == []


async def test_a_batch_ends_at_its_count(log_bus):
    for _ in range(5):
        await log_bus.publish("log.a", b"x")
    assert [message.sequence for message in await read_all(log_bus, batch_max=2)] == [1, 2]


async def test_a_batch_ends_at_its_bytes_but_holds_at_least_one(log_bus):
    for _ in range(3):
        await log_bus.publish("log.a", bytes(50_000))
    assert len(await read_all(log_bus, bytes_max=1_000)) == 1
    assert len(await read_all(log_bus, bytes_max=120_000)) in (2, 3)


async def test_a_reader_may_ask_for_some_subjects_only(log_bus):
    for word in ("a", "b", "a", "c"):
        await log_bus.publish(f"log.{word}.x", word.encode())
    assert [message.sequence for message in await read_all(log_bus, subject="log.a.*")] == [1, 3]
    assert [message.sequence for message in await read_all(log_bus, subject="log.a.>", after_sequence=1)] == [3]
    assert await read_all(log_bus, subject="log.z.*") == []


async def test_a_reader_waits_for_the_next_message(log_bus):
    await log_bus.publish("log.a", b"first")
    reader = asyncio.create_task(log_bus.fetch("LOG", after_sequence=1, timeout_s=10))
    await asyncio.sleep(0.05)
    assert not reader.done()
    await log_bus.publish("log.a", b"second")
    assert [message.data for message in await reader] == [b"second"]


async def test_a_reader_that_waits_in_vain_gets_nothing(log_bus):
    assert await log_bus.fetch("LOG", timeout_s=0.1) == []


async def test_trimmed_messages_are_gone_and_the_sequence_goes_on(log_bus):
    for number in range(5):
        await log_bus.publish("log.a", b"%d" % number)
    await log_bus.trim("LOG", 4)
    assert [message.sequence for message in await read_all(log_bus)] == [4, 5]
    await log_bus.trim("LOG", 0)
    await log_bus.trim("LOG", 6)
    assert await read_all(log_bus) == []
    assert await log_bus.last_sequence("LOG") == 5
    assert await log_bus.publish("log.a", b"x") == 6
    assert [message.sequence for message in await read_all(log_bus, after_sequence=2)] == [6]


async def test_a_stream_ensured_again_keeps_its_messages_and_takes_its_new_subjects(log_bus):
    await log_bus.publish("log.a", b"x")
    await log_bus.ensure_stream("LOG", ["log.>", "more.>"], max_age_s=3_600)
    assert await log_bus.publish("more.a", b"y") == 2
    assert len(await read_all(log_bus)) == 2


async def test_a_full_stream_drops_its_oldest_messages(log_bus):
    await log_bus.ensure_stream("LOG", ["log.>"], max_bytes=100_000)
    for _ in range(10):
        await log_bus.publish("log.a", bytes(20_000))
    messages = await read_all(log_bus)
    assert 1 <= len(messages) <= 5
    assert messages[-1].sequence == 10


async def test_a_full_stream_that_refuses_tells_the_publisher_and_takes_more_after_a_trim(log_bus):
    await log_bus.ensure_stream("FULL", ["full.>"], max_bytes=100_000, when_full="refuse")
    for _ in range(3):
        await log_bus.publish("full.a", bytes(30_000))
    with pytest.raises(UnreachableError):
        await log_bus.publish("full.a", bytes(30_000))
    await log_bus.trim("FULL", 3)
    assert await log_bus.publish("full.a", bytes(30_000)) == 4


async def test_a_stream_made_again_is_read_from_its_first_message(log_bus):
    for number in range(5):
        await log_bus.publish("log.a", b"old %d" % number)
    assert len(await read_all(log_bus)) == 5
    await log_bus.delete_stream("LOG")
    await log_bus.ensure_stream("LOG", ["log.>"])
    assert await read_all(log_bus, after_sequence=5) == []
    await log_bus.publish("log.a", b"new 0")
    await log_bus.publish("log.a", b"new 1")
    (message, _) = await read_all(log_bus, after_sequence=5)
    assert (message.sequence, message.data) == (1, b"new 0")
    assert [message.sequence for message in await read_all(log_bus, after_sequence=1)] == [2]


async def test_a_stream_made_again_is_noticed_even_when_it_is_already_longer(log_bus):
    await log_bus.publish("log.a", b"old")
    assert len(await read_all(log_bus)) == 1
    await log_bus.delete_stream("LOG")
    await log_bus.ensure_stream("LOG", ["log.>"])
    assert await read_all(log_bus, after_sequence=1) == []
    for _ in range(3):
        await log_bus.publish("log.a", b"new")
    assert [message.sequence for message in await read_all(log_bus, after_sequence=1)] == [1, 2, 3]


async def test_a_reader_waiting_on_an_emptied_stream_gets_its_first_message(log_bus):
    await log_bus.delete_stream("LOG")
    await log_bus.ensure_stream("LOG", ["log.>"])
    reader = asyncio.create_task(log_bus.fetch("LOG", after_sequence=100, timeout_s=10))
    await asyncio.sleep(0.05)
    await log_bus.publish("log.a", b"new")
    assert [message.sequence for message in await reader] == [1]


async def test_deleting_a_stream_that_is_not_there_changes_nothing(log_bus):
    await log_bus.publish("log.a", b"kept")
    await log_bus.delete_stream("NONE")
    assert [message.data for message in await log_bus.fetch("LOG", timeout_s=1)] == [b"kept"]


async def test_a_subject_that_no_stream_keeps_is_unreachable(log_bus):
    with pytest.raises(UnreachableError, match="no stream"):
        await log_bus.publish("elsewhere.a", b"x")


async def test_a_stream_that_is_not_there_is_unreachable(log_bus):
    with pytest.raises(UnreachableError):
        await log_bus.fetch("NONE", timeout_s=0)


async def test_many_publishers_at_once_get_each_its_own_sequence(log_bus):
    sequences = await asyncio.gather(*(log_bus.publish("log.a", bytes(1_000)) for _ in range(500)))
    assert sorted(sequences) == list(range(1, 501))


@pytest.mark.parametrize("subject", ["", "a..b", "log.*"])
async def test_a_message_needs_a_subject(log_bus, subject):
    with pytest.raises(BusUsageError):
        await log_bus.publish(subject, b"x")
    with pytest.raises(BusUsageError):
        await log_bus.send(subject, b"x")


async def test_a_message_over_the_limit_is_refused_by_size(log_bus):
    with pytest.raises(BusUsageError, match="over the bus's limit"):
        await log_bus.publish("log.a", bytes(9 * 2**20))


async def test_subscribers_get_what_matches_in_order(log_bus):
    got, complete = [], asyncio.Event()

    async def handle(message) -> None:
        got.append((message.subject, message.data, dict(message.headers), message.sequence))
        if len(got) == 3:
            complete.set()

    await log_bus.subscribe("news.>", handle)
    for number in range(3):
        await log_bus.send(f"news.{number}", b"x", headers={"n": str(number)})
        await log_bus.send("other", b"x")
    await asyncio.wait_for(complete.wait(), 5)
    assert got == [(f"news.{number}", b"x", {"n": str(number)}, 0) for number in range(3)]


async def test_subscribers_see_published_messages_too(log_bus):
    got: asyncio.Queue = asyncio.Queue()
    await log_bus.subscribe("log.*", got.put)
    await log_bus.publish("log.a", b"x", headers={"schema": "s"})
    message = await asyncio.wait_for(got.get(), 5)
    assert (message.data, dict(message.headers)) == (b"x", {"schema": "s"})


async def test_a_subscriber_that_fails_gets_the_next_message(log_bus):
    got: asyncio.Queue = asyncio.Queue()

    async def handle(message) -> None:
        if message.data == b"bad":
            raise RuntimeError("cannot")
        await got.put(message.data)

    await log_bus.subscribe("x", handle)
    await log_bus.send("x", b"bad")
    await log_bus.send("x", b"good")
    assert await asyncio.wait_for(got.get(), 5) == b"good"


async def test_after_unsubscribing_nothing_comes(log_bus):
    got: asyncio.Queue = asyncio.Queue()
    subscription = await log_bus.subscribe("x", got.put)
    await subscription.unsubscribe()
    await subscription.unsubscribe()
    await log_bus.send("x", b"1")
    await log_bus.publish("log.a", b"the server has seen the one before")
    assert got.empty()


async def test_a_request_is_answered(log_bus):
    async def double(data: bytes) -> bytes:
        return data * 2

    await log_bus.respond("double", double)
    assert await log_bus.request("double", b"ab", timeout_s=5) == b"abab"
    assert await log_bus.request("double", b"", timeout_s=5) == b""


async def test_requests_are_answered_at_the_same_time(log_bus):
    arrived = 0
    both = asyncio.Event()

    async def wait_for_the_other(data: bytes) -> bytes:
        nonlocal arrived
        arrived += 1
        if arrived == 2:
            both.set()
        await both.wait()
        return data

    await log_bus.respond("pair", wait_for_the_other)
    answers = await asyncio.gather(*(log_bus.request("pair", b"%d" % n, timeout_s=5) for n in range(2)))
    assert answers == [b"0", b"1"]


async def test_of_several_responders_one_answers(log_bus):
    asked = []

    def responder(name: str):
        async def answer(data: bytes) -> bytes:
            asked.append(name)
            return data

        return answer

    await log_bus.respond("work", responder("first"))
    await log_bus.respond("work", responder("second"))
    for _ in range(20):
        await log_bus.request("work", b"x", timeout_s=5)
    assert len(asked) == 20
    assert set(asked) == {"first", "second"}


async def test_a_request_that_nobody_answers_fails_at_once(log_bus):
    async with asyncio.timeout(2):
        with pytest.raises(UnreachableError, match="nobody responds"):
            await log_bus.request("nobody", b"x", timeout_s=30)


async def test_a_responder_taken_away_answers_no_more(log_bus):
    async def echo(data: bytes) -> bytes:
        return data

    subscription = await log_bus.respond("echo", echo)
    await log_bus.request("echo", b"x", timeout_s=5)
    await subscription.unsubscribe()
    with pytest.raises(UnreachableError):
        await log_bus.request("echo", b"x", timeout_s=1)


async def test_a_request_answered_too_late_is_unreachable(log_bus):
    async def never(_data: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    await log_bus.respond("slow", never)
    with pytest.raises(UnreachableError, match="no answer"):
        await log_bus.request("slow", b"x", timeout_s=0.1)


@pytest.mark.parametrize(
    "error", [RefusedError("not yours"), UsageError("no such meter:\n17"), UnreachableError("meter away")]
)
async def test_a_responders_error_reaches_the_one_who_asked(log_bus, error):
    async def refuse(_data: bytes) -> bytes:
        raise error

    await log_bus.respond("refuse", refuse)
    with pytest.raises(type(error)) as caught:
        await log_bus.request("refuse", b"x", timeout_s=5)
    assert str(caught.value) == " ".join(str(error).split())
    assert caught.value.facts["responder_code"] == error.code


async def test_a_responder_that_breaks_is_told_as_such_and_answers_the_next(log_bus):
    async def sometimes(data: bytes) -> bytes:
        if data == b"bad":
            raise ZeroDivisionError
        return data

    await log_bus.respond("sometimes", sometimes)
    with pytest.raises(ResponderError):
        await log_bus.request("sometimes", b"bad", timeout_s=5)
    assert await log_bus.request("sometimes", b"good", timeout_s=5) == b"good"


async def test_a_bucket_keeps_the_last_value_of_a_key(log_bus):
    assert await log_bus.get("last", "17") is None
    await log_bus.put("last", "17", b"a")
    await log_bus.put("last", "17", b"b")
    await log_bus.put("last", "18", b"")
    assert await log_bus.get("last", "17") == b"b"
    assert await log_bus.get("last", "18") == b""


async def test_many_keys_are_set_and_got_together(log_bus):
    values = {str(number): b"%d" % number for number in range(1_100)}
    await log_bus.put_many("last", values)
    asked = [str(number) for number in range(-3, 1_100)] + ["7", "7"]
    assert await log_bus.get_many("last", [key.replace("-", "x") for key in asked]) == values
    assert await log_bus.get_many("last", []) == {}
    await log_bus.put_many("last", {})


async def test_buckets_do_not_see_each_other(log_bus):
    await log_bus.put("one", "a.b", b"1")
    assert await log_bus.get("two", "a.b") is None
    assert await log_bus.get("one", "a.b") == b"1"


@pytest.mark.parametrize("key", ["", "a b", "a.>", "*"])
async def test_a_key_that_cannot_be_is_refused(log_bus, key):
    with pytest.raises(BusUsageError):
        await log_bus.put("last", key, b"x")
    with pytest.raises(BusUsageError):
        await log_bus.get("last", key)


async def test_closing_twice_changes_nothing(log_bus):
    await log_bus.close()
    await log_bus.close()
    with pytest.raises(UnreachableError):
        await log_bus.publish("log.a", b"x")


async def test_a_bus_that_is_not_there_is_unreachable_and_its_password_stays_out_of_the_message():
    settings = BusSettings(url="nats://meter:w0rks@127.0.0.1:9", connect_timeout_s=0.5)
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9") as caught:
        await connect_bus(settings)
    assert "w0rks" not in str(caught.value)
