"""A seed says which thread goes on, and one runs at a time."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from powertools_durable import Completion, Retry, durable
from powertools_durable._service.clock import VirtualClock
from powertools_durable.testing import Simulator, spend
from powertools_durable.testing.simulation.random_schedule import RandomSchedule
from powertools_durable.testing.simulation.seeded_threads import SeededThreads
from powertools_durable.testing.simulation.thread_states import Deadlock
from tests.leaks import started_threads
from tests.waiting import await_end


class Enumerated:
    """Chooses everything once: each run takes the first way that no run before it took."""

    def __init__(self):
        self._choices = []
        self._at = 0

    def pick(self, ready):
        stop = len(ready)
        if self._at == len(self._choices):
            self._choices.append([0, stop])
        chosen, before = self._choices[self._at]
        assert before == stop, "what follows from the same choices was something else before"
        self._at += 1
        return chosen

    def runs(self):
        while True:
            self._at = 0
            yield
            while self._choices and self._choices[-1][0] + 1 == self._choices[-1][1]:
                self._choices.pop()
            if not self._choices:
                return
            self._choices[-1][0] += 1


class Evenly:
    """Chooses by chance, each with the same."""

    def __init__(self, seed):
        self._random = Random(seed)

    def pick(self, ready):
        return self._random.randrange(len(ready))


class Prepared:
    """Lets threads start one after the other; from `begin` on another one chooses."""

    def __init__(self, picks):
        self._picks = picks
        self._begins = self._has_begun = False

    def pick(self, ready):
        if self._has_begun:
            return self._picks.pick(ready)
        self._has_begun = self._begins
        return len(ready) - 1 if self._begins else 0  # whoever says so goes on, or whoever was started last

    def begin(self):
        self._begins = True


def told(picks, names, times):
    """Return in which order threads write: all stand at one place, then each writes, with a yield point before."""
    prepared, written = Prepared(picks), []
    threads = SeededThreads(VirtualClock(), prepared)
    start = threads.signal()

    def body(name):
        start.wait(1)
        for n in range(times):
            if n:
                threads.pause()
            written.append(name)

    with threads.taking_part():
        for name in names:
            threads.spawn(lambda name=name: body(name), name)
        prepared.begin()
        start.set()
    assert not threads.lost_baton
    return "".join(written)


# -- interleavings --------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_interleaving_and_others_give_others():
    first, second = ([told(RandomSchedule(str(seed)), "abcdef", 3) for seed in range(30)] for _ in range(2))
    assert first == second
    assert len(set(first)) > 25


def test_over_seeds_every_order_of_four_threads_occurs_and_none_is_rare():
    seen = Counter(told(Evenly(seed), "abcd", 1) for seed in range(480))
    assert set(seen) == {"".join(order) for order in itertools.permutations("abcd")}
    assert min(seen.values()) >= 5  # of 20 on average


@pytest.mark.slow
def test_all_720_orders_of_six_threads_can_be_chosen_each_in_one_way():
    picks = Enumerated()
    seen = [told(picks, "abcdef", 1) for _ in picks.runs()]
    assert len(seen) == len(set(seen)) == 720


def test_all_interleavings_of_two_threads_with_three_yield_points_each_can_be_chosen():
    picks = Enumerated()
    assert {told(picks, "ab", 3) for _ in picks.runs()} == {
        "".join("a" if at in places else "b" for at in range(6)) for places in itertools.combinations(range(6), 3)
    }


# -- time -----------------------------------------------------------------------------------------------------


def running(body, picks=None, clock=None, patience=1.0):
    """Run a body on the calling thread, among the threads that it spawns."""
    threads = SeededThreads(clock or VirtualClock(), picks or RandomSchedule("0"), patience=patience)
    with threads.taking_part():
        body(threads)
    return threads


def test_time_jumps_when_nobody_can_go_on_and_only_as_far_as_the_first_who_waits():
    clock, seen = VirtualClock(), []

    def waits(threads, seconds):
        assert not threads.signal().wait(seconds)
        seen.append((seconds, clock.monotonic()))

    def body(threads):
        spawned = [threads.spawn(lambda n=n: waits(threads, n), str(n)) for n in (3_600, 0.005, 86_400 * 365)]
        for thread in spawned:
            thread.join()

    running(body, clock=clock)
    assert seen == [(0.005, 0.005), (3_600, 3_600), (86_400 * 365, 86_400 * 365)]


def test_time_does_not_jump_while_somebody_can_go_on():
    clock = VirtualClock()

    def body(threads):
        over = threads.signal()
        busy = threads.spawn(lambda: [threads.pause() for _ in range(100)] and over.set(), "busy")
        assert over.wait(0.001)
        busy.join()

    running(body, clock=clock)
    assert clock.monotonic() == 0


@pytest.mark.parametrize("seconds", [1e-9, 0, -1])
def test_a_time_too_short_for_the_clock_is_over_too(seconds):
    clock = VirtualClock()

    def body(threads):
        until = clock.monotonic() + seconds
        while clock.monotonic() < until:
            threads.signal().wait(until - clock.monotonic())

    running(body, clock=clock)
    assert clock.monotonic() <= 1e-6


def test_whoever_runs_may_let_time_pass_and_those_whose_time_is_over_go_on():
    clock, seen = VirtualClock(), []

    def body(threads):
        waits = threads.spawn(lambda: seen.append(threads.signal().wait(5)), "waits")
        threads.signal().wait(1)
        clock.sleep(7)
        for _ in range(100):
            threads.pause()
        assert seen == [False]
        waits.join()

    running(body, clock=clock)
    assert (seen, clock.monotonic()) == ([False], 8)


def test_whoever_is_still_asleep_when_the_others_leave_is_woken_and_ends():
    clock, seen = VirtualClock(), []

    def body(threads):
        threads.spawn(lambda: seen.append(threads.sleep(1_000)), "sleeps")
        threads.sleep(5)

    with started_threads() as started:
        running(body, clock=clock)
    assert (len(seen), clock.monotonic()) == (1, 5)
    assert (started.names, started.alive) == (["sleeps"], [])


# -- locks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_lock_has_one_owner(seed):
    inside, most, done = [], [], []

    def body(threads):
        lock = threads.lock()

        def work(n):
            with lock:
                inside.append(n)
                most.append(len(inside))
                threads.pause()
                inside.remove(n)
            threads.pause()
            with lock:
                done.append(n)

        for thread in [threads.spawn(lambda n=n: work(n), str(n)) for n in range(5)]:
            thread.join()

    running(body, RandomSchedule(str(seed)))
    assert (max(most), sorted(done)) == (1, [0, 1, 2, 3, 4])


def test_a_lock_is_released_by_its_owner_only():
    threads = SeededThreads(VirtualClock(), RandomSchedule("0"))
    with threads.taking_part(), pytest.raises(RuntimeError, match="does not hold"):
        threads.lock().__exit__(None, None, None)


# -- deadlocks ------------------------------------------------------------------------------------------------


def test_a_deadlock_says_who_waits_where_and_for_what():
    def body(threads):
        first, second = threads.lock(), threads.lock()

        def crosswise():
            with second, first:
                pass

        other = threads.spawn(crosswise, "crosswise")
        with first, second:
            pass
        other.join()

    found = []
    for seed in range(50):
        try:
            running(body, RandomSchedule(str(seed)))
        except Deadlock as deadlock:
            found.append(str(deadlock))
    assert 0 < len(found) < 50
    for words in found:
        assert "'MainThread' waits at test_scheduler.py" in words
        assert "(body) for a lock that is held by 'crosswise'" in words
        assert "'crosswise' waits at test_scheduler.py" in words
        assert "(crosswise) for a lock that is held by 'MainThread'" in words


def test_who_waits_to_be_woken_by_nobody_is_told_and_every_thread_ends():
    def body(threads):
        def forever():
            threads.signal().wait()

        threads.spawn(forever, "forever").join()

    message = r"'forever' waits at test_scheduler.py:\d+ \(forever\) to be woken"
    with started_threads() as started, pytest.raises(Deadlock, match=message):
        running(body)
    assert (started.names, started.alive) == (["forever"], [])


def test_a_lock_taken_twice_is_a_deadlock():
    def body(threads):
        lock = threads.lock()
        with lock, lock:
            pass

    with pytest.raises(Deadlock, match="held by itself"):
        running(body)


# -- threads that block by themselves -------------------------------------------------------------------------


def test_the_baton_is_taken_from_a_thread_that_blocks_by_itself_and_given_back():
    go, seen = threading.Event(), []

    def body(threads):
        def blocks():
            go.wait(60)
            seen.append("went on")
            threads.pause()
            seen.append("came back")

        blocked = threads.spawn(blocks, "blocks")
        threads.signal().wait(0.1)
        seen.append("others")
        go.set()
        blocked.join()

    threads = running(body, RandomSchedule("0"), patience=0.1)
    assert threads.lost_baton
    assert seen == ["others", "went on", "came back"]


def test_while_a_thread_is_outside_time_passes_as_it_does():
    clock, go = VirtualClock(), threading.Event()

    def body(threads):
        blocked = threads.spawn(lambda: go.wait(60), "blocks")
        threads.signal().wait(0.5)  # time that has to pass: nobody knows when that thread comes back
        assert not go.is_set()
        go.set()
        blocked.join()

    began = time.monotonic()
    running(body, clock=clock, patience=0.1)
    elapsed = time.monotonic() - began
    assert elapsed > 0.3
    assert 0.5 <= clock.monotonic() <= elapsed + 0.1


@pytest.mark.parametrize("seed", range(5))
def test_threads_that_meet_by_themselves_come_through(seed):
    barrier, met = threading.Barrier(4, timeout=60), []

    def body(threads):
        def meets():
            barrier.wait()
            met.append(threads.pause())

        for thread in [threads.spawn(meets, str(n)) for n in range(4)]:
            thread.join()

    assert running(body, RandomSchedule(str(seed)), patience=0.05).lost_baton
    assert len(met) == 4


@pytest.mark.parametrize("seed", range(40))
def test_a_baton_that_is_lost_all_the_time_breaks_nothing(seed):
    clock, took = VirtualClock(), []

    def body(threads):
        lock = threads.lock()

        def takes(n):
            for _ in range(3):
                with lock:
                    before = len(took)
                    time.sleep(0.0005)
                    took.append(n)
                    assert len(took) == before + 1
                threads.signal().wait(0.001)

        for thread in [threads.spawn(lambda n=n: takes(n), str(n)) for n in range(4)]:
            thread.join()

    running(body, RandomSchedule(str(seed)), clock, patience=0.0004)
    assert sorted(took) == sorted([*range(4)] * 3)


def test_ctrl_c_reaches_a_thread_that_waits_and_leaves_no_lock_taken():
    def body(threads):
        lock, woken = threads.lock(), threads.signal()

        def interrupts():
            threads.signal().wait(1)  # until the other one waits too
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.2)
            woken.set()

        other = threads.spawn(interrupts, "interrupts")
        try:
            with lock:
                woken.wait()
        finally:
            assert lock.owner is None
            assert woken.queue == []
        other.join()

    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with started_threads() as started, pytest.raises(KeyboardInterrupt):
            running(body, patience=0.4)
    finally:
        signal.signal(signal.SIGINT, inherited)
    assert await_end(started) == []


# -- in a simulation ------------------------------------------------------------------------------------------


def test_seeds_find_a_race_between_branches():
    def counted(counter):
        def count(child, _):
            seen = child.step(lambda: counter["count"], name="read")
            return child.step(lambda: counter.update(count=seen + 1), name="write")

        @durable
        def handler(event, ctx):
            ctx.map(count, [1, 2])

        return handler

    def total(seed):
        counter = {"count": 0}
        run = Simulator(counted(counter), seed=seed).start().finish()
        assert run.status == "SUCCEEDED"
        return counter["count"]

    totals = [total(seed) for seed in range(40)]
    assert set(totals) == {1, 2}
    assert totals == [total(seed) for seed in range(40)]


def test_over_seeds_three_branches_of_two_steps_end_in_every_order():
    def order(seed):
        done = []

        def branch(child, name):
            child.step(lambda: None, name="first")
            child.step(done.append, name)

        Simulator(durable(lambda event, ctx: ctx.map(branch, list("abc"))), seed=seed).start()
        return "".join(done)

    assert len({order(seed) for seed in range(150)}) == 6


def test_a_body_may_begin_long_after_its_start():
    def orders(seed):
        began = []
        handler = durable(lambda event, ctx: ctx.map(lambda child, n: child.step(began.append, n), range(3)))
        run = Simulator(handler, seed=seed).start()
        branches = [run.operation(f"map-item-{n}").id for n in range(3)]
        return began, [branches.index(op.parent_id) for op in run.operations if op.type == "STEP"]

    assert any(began != started for began, started in map(orders, range(40)))


def test_branches_spend_time_side_by_side():
    handler = durable(lambda event, ctx: ctx.map(lambda child, n: child.step(spend, 100 + n), range(10)).success_count)
    run = Simulator(handler).start()
    assert (run.result, len(run.invocations)) == (10, 1)
    assert run.now - run.operations[0].start_timestamp == timedelta(seconds=109)


@pytest.mark.parametrize("seed", range(10))
def test_the_timer_of_a_branch_is_served_while_another_one_spends_time(seed):
    told = []

    def waits(child):
        child.wait(10, name="ten")
        child.step(told.append, "waited", name="waited")

    def works(child):
        child.step(lambda: (spend(60), told.append("worked")), name="worked")

    run = Simulator(durable(lambda event, ctx: ctx.parallel([waits, works]).success_count), seed=seed).start()
    assert (run.result, told, len(run.invocations)) == (2, ["waited", "worked"], 1)


@pytest.mark.parametrize("seed", range(10))
def test_a_step_that_spends_more_than_its_timeout_says_the_same_whatever_the_seed(seed):
    def late(child, n):
        child.step(spend, 20, name="late", timeout=10 + n, retry=Retry.none())

    @durable
    def handler(event, ctx):
        return [str(error) for error in ctx.map(late, range(3), completion=Completion.all_completed()).errors]

    run = Simulator(handler, seed=seed).start()
    assert [text.partition(": ")[2] or text for text in run.result] == [
        "the step did not finish within its timeout"
    ] * 3
    assert run.now - run.operations[0].start_timestamp == timedelta(seconds=12)


def test_branches_that_block_by_themselves_come_through():
    barrier = threading.Barrier(3, timeout=60)

    @durable
    def handler(event, ctx):
        return ctx.map(lambda child, n: child.step(lambda: barrier.wait() * 0 + n), [1, 2, 3]).results

    run = Simulator(handler).start()
    assert run.threads.lost_baton
    assert run.result == [1, 2, 3]
