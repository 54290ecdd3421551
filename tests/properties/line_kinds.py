"""The kinds of lines that a program is made of, and the code of each.

In a template, ``{ctx}`` is the context, ``{name}`` the line's name, ``{n}`` its number, and ``{inside}`` the
functions of the programs inside. The code leaves in ``got`` a result that says whose it is.
"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of line.

    ``inside`` is how many programs it may contain, ``weight`` how often it is made, beside the others.
    """

    code: str
    inside: int = 0
    weight: int = 10


KINDS: dict[str, Kind] = {
    # -- leaves ------------------------------------------------------------------------------------------------
    "step": Kind('got = {ctx}.step(does, "{name}", name="{name}")', weight=30),
    "flaky": Kind(
        'got = {ctx}.step(does_at_last, "{name}", {n}, name="{name}", retry=Retry(max_attempts={n}, initial_delay={n}))'
    ),
    "refused": Kind(
        """
try:
    got = {ctx}.step(refuses_again, "{name}", name="{name}", retry=Retry(max_attempts={n}, initial_delay=1))
except StepError as error:
    got = f"{{error.message}}/{{error.error_type}}"
    expects("{name}", got == "{name}/{n}/PermissionError")
"""
    ),
    "fatal": Kind('got = {ctx}.step(refuses, "{name}", name="{name}", retry=Retry.none())', weight=3),
    "once": Kind(
        """
try:
    got = {ctx}.step(reads, "{name}", name="{name}", semantics=StepSemantics.AT_MOST_ONCE, retry=Retry.none())
except StepInterruptedError:
    got = "{name}"
""",
        weight=15,
    ),
    "again": Kind(
        'got = {ctx}.step(reads, "{name}", name="{name}", semantics=StepSemantics.AT_MOST_ONCE, '
        "retry=Retry(max_attempts=9, initial_delay={n}))"
    ),
    "timed": Kind('got = {ctx}.step(does, "{name}", name="{name}", timeout={n} * 60)', weight=4),
    "threaded": Kind('got = {ctx}.step(does_in_a_thread, "{name}", name="{name}")', weight=2),
    "wait": Kind('{ctx}.wait({n} * 60, name="{name}")', weight=15),
    "timed wait": Kind(
        """
{ctx}.step(marks, "{name}", name="{name}-begins")
{ctx}.wait({n} + 0.5, name="{name}")
{ctx}.step(has_passed, "{name}", {n} + 0.5, name="{name}-ends")
""",
        weight=3,
    ),
    "delayed": Kind(
        """
{ctx}.step(marks, "{name}", name="{name}-begins")
got = {ctx}.step(does_at_last, "{name}", 2, name="{name}", retry=lambda error, attempt: {n} + 0.5)
{ctx}.step(has_passed, "{name}", {n} + 0.5, name="{name}-ends")
""",
        weight=3,
    ),
    "copied": Kind(
        """
shared = ["{name}"]
got = {ctx}.step(lambda: shared, name="{name}")
expects("{name}", got == shared and got is not shared)
""",
        weight=3,
    ),
    "modelled": Kind(
        """
shared = Thing("{name}")
got = {ctx}.step(lambda: shared, name="{name}", returns=Thing)
expects("{name}", got == shared and got is not shared)
got = got.name
""",
        weight=3,
    ),
    "until": Kind('{ctx}.wait_until({ctx}.started_at + timedelta(minutes={n}), name="{name}")', weight=4),
    "callback": Kind('got = {ctx}.create_callback(name="{name}", returns=dict, timeout=9_000).result()["told"]'),
    "answer": Kind(
        'got = {ctx}.wait_for_callback(submits, "{name}", name="{name}", returns=dict, timeout=9_000)["told"]'
    ),
    "nobody": Kind(
        """
try:
    got = {ctx}.create_callback(name="{name}", timeout={n} * 100).result()
except CallbackTimeoutError as error:
    got = f"{name}/{{error}}"
""",
        weight=5,
    ),
    "poll": Kind(
        """
polling = Polling(lambda state: state.endswith("x" * {n}), initial_delay={n})
got = {ctx}.wait_for_condition(lambda state: f"{{state}}x", initial="{name}/", polling=polling, name="{name}")
expects("{name}", got == "{name}/" + "x" * {n})
"""
    ),
    "hopeless": Kind(
        """
polling = Polling(lambda state: False, initial_delay=1, max_attempts={n})
try:
    got = {ctx}.wait_for_condition(lambda state: state, initial="{name}", polling=polling, name="{name}")
except WaitForConditionError as error:
    got = f"{name}/{{type(error).__name__}}"
""",
        weight=4,
    ),
    "batch": Kind(
        """
with {ctx}.batch():
    got = [{ctx}.step(does, f"{name}-{{at}}", name=f"{name}-{{at}}") for at in range({n})]
"""
    ),
    "crowd": Kind(
        """
with {ctx}.batch():
    got = [{ctx}.step(str, f"{name}-{{at}}", name=f"{name}-{{at}}") for at in range(130)]
""",
        weight=0,
    ),
    "large": Kind(
        """
def {id}_0({ctx}1):
    return [{ctx}1.step(does, "{name}", name="{name}-inside"), "x" * 300_000]


got = {ctx}.run_in_child_context({id}_0, name="{name}")[0]
""",
        weight=0,
    ),
    "drawn": Kind(
        """
got = ["{name}", str({ctx}.uuid4()), {ctx}.random.random(), str({ctx}.started_at)]
""",
        weight=5,
    ),
    "invoke": Kind('got = {ctx}.invoke("echo", {{"told": "{name}"}}, name="{name}")["told"]'),
    "nested": Kind('got = {ctx}.invoke("durable-echo", {{"told": "{name}"}}, name="{name}")["told"]', weight=3),
    "denied": Kind(
        """
try:
    got = {ctx}.invoke("refuses", "{name}", name="{name}")
except InvokeError as error:
    got = f"{{error.message}}/{{error.error_type}}"
""",
        weight=4,
    ),
    "patch": Kind('got = {ctx}.patched("{name}")', weight=4),
    "defer": Kind('{ctx}.defer(does, "{name}")', weight=4),
    "log": Kind('log.warning("{name}")', weight=8),
    "saga": Kind(
        """
try:
    with {ctx}.saga():
        for at in range({n}):
            {ctx}.step_with_compensation(does, f"{name}-{{at}}", compensate=undoes, name=f"{name}-{{at}}")
        {ctx}.step(refuses, "{name}", name="{name}-refused", retry=Retry.none())
except StepError as error:
    got = error.message
"""
    ),
    "undone": Kind(
        """
for at in range({n}):
    {ctx}.step_with_compensation(does, f"{name}-{{at}}", compensate=undoes, name=f"{name}-{{at}}")
undone = {ctx}.run_compensations()
got = ["{name}", [[item.name, item.status] for item in undone.items]]
expects("{name}", [name for name, _ in got[1]] == [f"{name}-{{at}}" for at in reversed(range({n}))])
""",
        weight=3,
    ),
    "straggling": Kind(
        """
def {id}_long({ctx}1):
    return [{ctx}1.step(reads, f"{name}-{{at}}", name=f"{name}-{{at}}") for at in range(4)]


def {id}_short({ctx}1):
    return {ctx}1.step(does, "{name}", name="{name}-short")


batch = {ctx}.parallel([{id}_short, {id}_long], name="{name}", completion=Completion.first_successful())
got = ["{name}", batch.completion_reason]
expects("{name}", batch.completion_reason == "MIN_SUCCESSFUL_REACHED")
""",
        weight=4,
    ),
    "tolerating": Kind(
        """
def {id}_fails({ctx}1, item):
    if item < {n}:
        {ctx}1.step(refuses, "{name}", name="{name}-refused", retry=Retry.none())


completion = Completion(tolerated_failure_count=1)
batch = {ctx}.map({id}_fails, [0, 1, 2], name="{name}", max_concurrency=1, completion=completion)
got = ["{name}", batch.completion_reason, [item.status for item in batch]]
expects("{name}", batch.completion_reason == ("ALL_COMPLETED" if {n} == 1 else "FAILURE_TOLERANCE_EXCEEDED"))
""",
        weight=3,
    ),
    "narrow": Kind(
        """
def {id}_passes({ctx}1, item):
    {ctx}1.step(enters, "{name}", item, {n}, name="{name}-enters")
    {ctx}1.wait(1, name="{name}-stays")
    {ctx}1.step(leaves, "{name}", item, name="{name}-leaves")
    return "{name}"


batch = {ctx}.map({id}_passes, [0, 1, 2], name="{name}", max_concurrency={n})
got = batch.results
expects("{name}", got == ["{name}"] * 3)
""",
        weight=2,
    ),
    # -- nodes -------------------------------------------------------------------------------------------------
    "child": Kind('got = {ctx}.run_in_child_context({inside}, name="{name}")', inside=1, weight=12),
    "virtual": Kind('got = {ctx}.run_in_child_context({inside}, name="{name}", virtual=True)', inside=1, weight=5),
    "broken": Kind(
        """
def {id}_broken({ctx}1):
    raise LookupError(*{inside}({ctx}1))


try:
    got = {ctx}.run_in_child_context({id}_broken, name="{name}")
except ChildContextError as error:
    got = f"{name}/{{error.message}}/{{error.error_type}}"
""",
        inside=1,
        weight=5,
    ),
    "tried": Kind(
        """
def {id}_tried({ctx}1):
    {inside}({ctx}1)
    return {ctx}1.step(refuses, "{name}", name="{name}-refused", retry=Retry.none())


try:
    got = {ctx}.with_retry({id}_tried, retry=Retry(max_attempts=2, initial_delay={n}), name="{name}")
except OperationError as error:
    got = f"{name}/{{error.message}}/{{error.error_type}}"
""",
        inside=1,
        weight=3,
    ),
    "parallel": Kind(
        """
batch = {ctx}.parallel([{inside}], name="{name}", max_concurrency={n})
batch.raise_if_failed()
got = batch.results
""",
        inside=2,
        weight=12,
    ),
    "flat": Kind(
        """
batch = {ctx}.parallel([{inside}], name="{name}", nesting=Nesting.FLAT)
batch.raise_if_failed()
got = batch.results
""",
        inside=2,
        weight=6,
    ),
    "map": Kind(
        """
batch = {ctx}.map(lambda {ctx}1, item: [{inside}({ctx}1), item], list(range({n})), name="{name}")
batch.raise_if_failed()
got = batch.results
""",
        inside=1,
        weight=10,
    ),
    "tolerant": Kind(
        """
def {id}_fails({ctx}1):
    {ctx}1.step(refuses, "{name}", name="{name}-refused", retry=Retry.none())


batch = {ctx}.parallel([{inside}, {id}_fails], name="{name}", completion=Completion.all_completed())
got = ["{name}", batch.results, batch.completion_reason, [item.status for item in batch]]
""",
        inside=1,
        weight=6,
    ),
    "raced": Kind(
        """
def {id}_deep({ctx}1):
    {ctx}1.wait({n} * 1_000, name="{name}-slow")
    return {inside}({ctx}1)


def {id}_slow({ctx}1):
    return {ctx}1.run_in_child_context({id}_deep, name="{name}-deep")


def {id}_quick({ctx}1):
    {ctx}1.wait({n}, name="{name}-quick")
    return {ctx}1.step(does, "{name}", name="{name}-done")


branches = {{"slow": {id}_slow, "quick": {id}_quick}}
got = {ctx}.parallel(branches, name="{name}", completion=Completion.first_successful()).results
""",
        inside=1,
        weight=8,
    ),
}

_AND_GOES_ON = """
with contextlib.suppress(Exception):
    {ctx}.step(does, "never", name="never")
"""

MISPLACED: dict[str, Kind] = {
    "misplaced in a step": Kind(
        'with contextlib.suppress(Exception):\n    got = {ctx}.step(misplaces, {ctx}, "{name}", name="{name}")'
    ),
    "misplaced on a thread": Kind('got = misplaces_on_a_thread({ctx}, "{name}")'),
    "misplaced in a child": Kind(
        """
def {id}_0({ctx}1):
    return misplaces({ctx}, "{name}")


with contextlib.suppress(Exception):
    got = {ctx}.run_in_child_context({id}_0, name="{name}")
"""
    ),
    "misplaced in a branch": Kind(
        """
def {id}_0({ctx}1, item):
    if item == 1:
        return misplaces({ctx}, "{name}")
    return [{ctx}1.step(reads, f"{name}-{{at}}", name=f"{name}-{{at}}") for at in range({n})]


with contextlib.suppress(Exception):
    batch = {ctx}.map({id}_0, [0, 1, 2], name="{name}", completion=Completion.all_completed())
    got = ["{name}", [item.status for item in batch]]
"""
    ),
}
"""Calls at a wrong place whose error the code swallows, for the handler's own context: the execution fails with it."""
KINDS |= {name: kind._replace(code=kind.code.rstrip("\n") + _AND_GOES_ON, weight=0) for name, kind in MISPLACED.items()}

LEAVES = tuple(kind for kind, (_, inside, _) in KINDS.items() if not inside)
NODES = tuple(kind for kind, (_, inside, _) in KINDS.items() if inside)

GESTURES: dict[str, str] = {
    "except Exception": """
try:
    {code}
except Exception as error:
    got = f"{name}/{{type(error).__name__}}"
""",
    "except BaseException": """
try:
    {code}
except BaseException as signal:
    got = f"{name}/{{type(signal).__name__}}"
""",
    "bare except": """
try:
    {code}
except:
    got = "{name}/caught"
""",
    "suppress(BaseException)": """
with contextlib.suppress(BaseException):
    {code}
""",
    "return in finally": """
def {id}_part():
    got = None
    try:
        {code}
    finally:
        return got


got = {id}_part()
""",
    "raise from BaseException": """
try:
    {code}
except BaseException as signal:
    raise ValueError("{name}") from signal
""",
    "operation in finally": """
try:
    {code}
finally:
    {ctx}.step(does, "{name}-finally", name="{name}-finally")
""",
    "operation in __exit__": """
with Closing({ctx}, "{name}-closed"):
    {code}
""",
    "operation on another thread": """
refused_on_another_thread({ctx})
{code}
""",
    "operation in a step": """
{ctx}.step(misuses, {ctx}, "{name}-misused", name="{name}-misused")
{code}
""",
    "wrong context": """
{wrong}
{code}
""",
}
SWALLOWS = frozenset(
    {
        "except BaseException",
        "bare except",
        "suppress(BaseException)",
        "return in finally",
        "raise from BaseException",
    }
)
"""Gestures that catch a suspension; what is logged after one is logged at every suspension."""
