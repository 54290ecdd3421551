"""The threads on which an ``async def`` handler's ``def`` bodies run: how many run at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from powertools_durable._runtime.body_threads import BodyThreads
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.environment import Signal, SystemClock, SystemThreads


class ThreadsThatRest(SystemThreads):
    """Says when a thread has nothing to do."""

    def __init__(self) -> None:
        self.resting = threading.Semaphore(0)

    def signal(self) -> Signal:
        self.resting.release()
        return super().signal()


async def cancelled(threads: BodyThreads, system: ThreadsThatRest, *, early: bool) -> None:
    """Cancel a body that runs; if *early*, it ends before its task notices, since the loop stands still until then."""
    begun, may_end = threading.Event(), threading.Event()

    def body() -> None:
        begun.set()
        may_end.wait()

    task = asyncio.get_running_loop().create_task(threads.run(body))
    await asyncio.sleep(0)
    begun.wait()
    task.cancel()
    if early:
        may_end.set()
        system.resting.acquire()
    with pytest.raises(asyncio.CancelledError):
        await task
    if not early:
        may_end.set()
        system.resting.acquire()


@pytest.mark.parametrize("early", [False, True])
def test_as_many_bodies_run_at_once_after_some_were_cancelled(early):
    """Failed: each body that ended before its task noticed the cancellation took one from the limit."""

    async def main() -> list[int]:
        system = ThreadsThatRest()
        threads = BodyThreads(asyncio.get_running_loop(), 2, system)
        both = threading.Barrier(2, timeout=30)
        try:
            for _ in range(3):
                await cancelled(threads, system, early=early)
            return sorted(await asyncio.gather(*(threads.run(both.wait) for _ in range(4))))
        finally:
            threads.close(Deadline(None, SystemClock()), wait=True)

    assert asyncio.run(main()) == [0, 0, 1, 1]
