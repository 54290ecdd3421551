"""Every place where a value crosses the record, as a handler that hands it over, once for each kind of format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from powertools_durable import Nesting, Polling, Retry, durable
from powertools_durable.serdes import EncryptingSerDes, FileSystemSerDes
from powertools_durable.serdes.models import annotation_of
from powertools_durable.testing import Simulator
from tests.serdes.vault import Vault

Call = Callable[[Any, Callable[..., Any]], Any]


def annotated(function, annotation):
    if annotation is not None:
        function.__annotations__["return"] = annotation
    return function


def returning(make, annotation, *parameters):
    """A function that takes any arguments and returns what *make* makes, annotated so."""

    def given(*_):
        return make()

    return annotated(given, annotation)


def _step(ctx, function):
    return ctx.step(function, name="it", retry=Retry.none())


def _compensated(ctx, function):
    return ctx.step_with_compensation(function, compensate=lambda _: None, name="it", retry=Retry.none())


def _child(ctx, function):
    return ctx.run_in_child_context(function, name="it")


def _virtual(ctx, function):
    return ctx.run_in_child_context(function, name="it", virtual=True)


def _nested(ctx, function):
    def outer(child):
        return child.step(function, name="it", retry=Retry.none())

    return ctx.run_in_child_context(annotated(outer, annotation_of(function)), name="outer")


def _retried(ctx, function):
    return ctx.with_retry(function, name="it", retry=Retry.none())


def _polled(ctx, function):
    return ctx.wait_for_condition(function, initial=None, polling=Polling(lambda _: True), name="it")


def _polled_twice(ctx, function):
    asked = vars(function).setdefault("asked", [])  # an invocation asks once

    def until(state):
        asked.append(state)
        return len(asked) > 1

    return ctx.wait_for_condition(function, initial=None, polling=Polling(until), name="it")


def _one_of(batch):
    item = batch[0]
    if item.error is not None:
        raise item.error
    return item.result


def _mapped(ctx, function):
    return _one_of(ctx.map(function, [1], name="fan", item_name=lambda *_: "it"))


def _mapped_flat(ctx, function):
    return _one_of(ctx.map(function, [1], name="fan", nesting=Nesting.FLAT, item_name=lambda *_: "it"))


def _parallel(ctx, function):
    return _one_of(ctx.parallel({"it": function}, name="fan"))


def _parallel_flat(ctx, function):
    return _one_of(ctx.parallel({"it": function}, name="fan", nesting=Nesting.FLAT))


PLACES: dict[str, Call] = {
    "step": _step,
    "compensated step": _compensated,
    "child": _child,
    "virtual child": _virtual,
    "step in a child": _nested,
    "with_retry": _retried,
    "polled": _polled,
    "polled twice": _polled_twice,
    "map": _mapped,
    "flat map": _mapped_flat,
    "parallel": _parallel,
    "flat parallel": _parallel_flat,
}


def wrappings(directory):
    """Each serdes that wraps the format of the library's choice, and none."""
    return {
        "plain": None,
        "encrypted": EncryptingSerDes(Vault()),
        "a file": FileSystemSerDes(directory, threshold=1),
        "encrypted in a file": FileSystemSerDes(directory, threshold=1, inner=EncryptingSerDes(Vault())),
    }


def outcomes(call: Call, function, serdes=None):
    """Run *call* in an execution that suspends after it; return the outcomes, the live one first, and the run."""
    seen: list[tuple[str, Any, str]] = []

    @durable(serdes=serdes)
    def handler(event, ctx):
        try:
            value = call(ctx, function)
        except Exception as error:  # noqa: BLE001 - the outcome, whatever it is
            seen.append(("raised", type(error), str(error)))
        else:
            seen.append(("returned", value, ""))
        ctx.wait(60)

    run = Simulator(handler).start({}).finish()
    return seen, run


__all__ = ["PLACES", "outcomes", "returning", "wrappings"]
