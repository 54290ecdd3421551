"""Cases that failed once, replayed before all others: what each showed was wrong with the engine, or with the kit."""

from __future__ import annotations

from tests.properties.cases import Case
from tests.properties.faults import FaultPlan
from tests.properties.programs import Line

_STEP = (Line("step", "inside"),)

CORPUS: tuple[Case, ...] = (
    # A branch that a fan-out cuts off, and what is below it, may end while the fan-out's result is on its way.
    Case((Line("raced", "race", 1, ((Line("callback", "deep"),),)), Line("step", "after")), kills=(5, 11)),
    # An update in the request of its parent's START is below a context that the service has not heard of before.
    Case((Line("batch", "many", 3), Line("child", "child", 1, (_STEP,)), Line("crowd", "crowd")), kills=(4,)),
    # The first operation of an invoked execution has the id of its caller's first.
    Case((Line("answer", "first"), Line("nested", "invokes")), kills=(3, 9)),
    # Code that catches everything also catches the death of its process; what it does then reaches nobody.
    Case(
        (Line("virtual", "all", 1, ((Line("virtual", "caught", 1, (_STEP,), "return in finally"),),)),),
        kills=(2,),
    ),
    Case((Line("batch", "many", 3, (), "operation in __exit__"), Line("wait", "later")), kills=(1,)),
    Case((Line("flat", "two", 1, ((Line("step", "caught", 1, (), "except BaseException"),), _STEP)),), kills=(3, 7)),
    # A request whose answer was lost is sent again, and tells of operations below a context that has ended meanwhile.
    Case((Line("parallel", "two", 2, (_STEP, _STEP)), Line("step", "after")), faults=FaultPlan({0: "read timeout"})),
    Case((Line("child", "child", 1, (_STEP,)),), kills=(7,), faults=FaultPlan({1: "500 after"}, duplicates=True)),
    # What a branch waits for may come with the answer to the last request, when the process suspends already.
    Case(
        (Line("map", "items", 3, ((Line("poll", "polled", 2), Line("invoke", "invokes")),)),),
        faults=FaultPlan({0: "read timeout", 1: "null delta", 6: "503"}),
    ),
    # Timers fall due while the last request is tried again: nobody is woken for what its answer tells.
    Case(
        (
            Line("flat", "two", 3, ((Line("poll", "polled", 1),), (Line("step", "step"), Line("narrow", "narrow", 3)))),
            Line("callback", "callback"),
        ),
        seed=70949,
        kills=(19,),
        faults=FaultPlan({5: "429", 8: "throttling", 2: "overlap"}),
    ),
    # A result too large to be recorded is made again by the context's code, of what is recorded inside.
    Case((Line("large", "large"), Line("wait", "later"))),
    # An at-most-once step that was interrupted must not shift what follows: ids and drawn numbers come of positions.
    Case((Line("once", "once"), Line("child", "child", 1, ((Line("drawn", "drawn"),),))), kills=(1,)),
)
