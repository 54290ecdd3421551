"""The call of `AsyncDurableContext.race`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from powertools_durable._contexts import arguments
from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable._replay.effects import Call
from powertools_durable._runtime.durable_task import DurableTask
from powertools_durable._runtime.racing import Race
from powertools_durable._runtime.task_places import PlacedTask
from powertools_durable.errors import ValidationError
from powertools_durable.errors.wording import class_name

if TYPE_CHECKING:
    from collections.abc import Generator

    from powertools_durable._contexts.core import ContextCore
    from powertools_durable._runtime.task_places import ContextRun

__all__ = ["race"]


def race(
    core: ContextCore, contestants: Mapping[str, Any] | Sequence[Any], *, name: str | None, cancel: bool
) -> DurableTask[tuple[Any, Any]]:
    """See `AsyncDurableContext.race`."""
    by_key = _contestants_by_key(contestants)
    op_name = arguments.name_of(None, name)
    core.guard("race")
    driver = core.session.async_driver
    owner = driver.place_of(core.frame)
    for key, contestant in by_key.items():
        _check(key, contestant, owner.run)
    if len({id(contestant) for contestant in by_key.values()}) < len(by_key):
        raise _error("the same contestant occurs twice")
    op = core.frame.begin(OperationType.STEP, SubType.RACE, op_name)
    futures = {
        key: driver.loop.create_task(contestant) if inspect.iscoroutine(contestant) else contestant
        for key, contestant in by_key.items()
    }
    return Race(driver, Call(core.frame, op, _no_flow()), futures, cancel=cancel).begin()


def _contestants_by_key(contestants: object) -> dict[str | int, Any]:
    if isinstance(contestants, Mapping):
        by_key: dict[str | int, Any] = dict(contestants)
        if not all(isinstance(key, str) for key in by_key):
            raise _error("the keys of a mapping must be text, because the winner's key is recorded")
    elif isinstance(contestants, Sequence) and not isinstance(contestants, (str, bytes)):
        by_key = dict(enumerate(contestants))
    else:
        raise _error(f"it takes a mapping or a sequence of contestants, not {class_name(contestants)}")
    if not by_key:
        raise _error("there are no contestants, so the race would never end")
    return by_key


def _check(key: str | int, contestant: object, run: ContextRun) -> None:
    if inspect.iscoroutine(contestant):
        return
    if not isinstance(contestant, (DurableTask, PlacedTask)):
        raise _error(
            f"contestant {key!r} is {class_name(contestant)}; pass what a method of this context returned, a task or a "
            "coroutine"
        )
    place = contestant.place
    if place is None or place.run is not run or place.step is not None:
        raise _error(
            f"contestant {key!r} does not belong to this context; create it with the context that runs the race"
        )


def _error(reason: str) -> ValidationError:
    return ValidationError(f"ctx.race(): {reason}")


def _no_flow() -> Generator[Any, Any, Any]:
    yield from ()
