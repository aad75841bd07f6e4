"""Small parts of the bus."""

from __future__ import annotations

import asyncio

import pytest

from alterd_runtime.bus.interruptible import ended, interruptible
from tests.support import eventually


async def test_a_cancel_that_comes_with_the_answer_is_not_lost() -> None:
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ask() -> str:
        return await asyncio.wait_for(answer, 60)  # as nats-py does; on Python 3.11 this alone would go on

    async def forever() -> None:
        while True:
            await interruptible(ask())
            await asyncio.sleep(60)

    task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answer.set_result("now")
    task.cancel()
    _, pending = await asyncio.wait({task}, timeout=5)
    assert not pending


async def test_what_is_interrupted_is_cancelled_too() -> None:
    stopped = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    task = asyncio.create_task(interruptible(work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(stopped.is_set)


async def test_a_cancel_is_repeated_until_it_is_heard() -> None:
    missed = 0

    async def deaf() -> None:
        nonlocal missed
        while missed < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                missed += 1

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await ended(task)
    assert missed == 2
