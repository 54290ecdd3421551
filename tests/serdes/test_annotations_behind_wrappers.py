"""An annotation is found behind whatever wraps a function, and by one function for the whole package."""

from __future__ import annotations

import functools
import inspect

import pytest
from pydantic import BaseModel

from powertools_durable import Retry, durable
from powertools_durable._functions import innermost, layers
from powertools_durable.errors import SerDesError
from powertools_durable.parser.annotations import output_of
from powertools_durable.serdes.models import ModelSerDes, annotation_of, serdes_of
from powertools_durable.testing import Simulator


class Rate(BaseModel):
    value: float = 1.5


class Counted:
    """A decorator that is a class, as `functools.update_wrapper` has it."""

    def __init__(self, func):
        functools.update_wrapper(self, func)
        self.func = func

    def __call__(self, *args, **kwargs):
        return self.func(*args, **kwargs)


class Bare:
    """One that says nothing but what it wraps."""

    def __init__(self, func):
        self.__wrapped__ = func

    def __call__(self, *args):
        return self.__wrapped__(*args)


class Signed:
    """One that has a signature only."""

    def __init__(self, func):
        self._func = func
        anything = inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)
        self.__signature__ = inspect.Signature([anything], return_annotation=Rate)

    def __call__(self, *args):
        return self._func(*args)


class Called:
    def __call__(self, *_) -> Rate:
        return Rate()

    def method(self, *_) -> Rate:
        return Rate()

    @classmethod
    def of_class(cls, *_) -> Rate:
        return Rate()

    @staticmethod
    def static(*_) -> Rate:
        return Rate()

    partial = functools.partialmethod(method, 1)


def plain(*_) -> Rate:
    return Rate()


def wrapped(func):
    @functools.wraps(func)
    def inner(*args):
        return func(*args)

    return inner


def unwrapped(func):
    def inner(*args) -> Rate:
        return func(*args)

    return inner


class Everything:
    """Has every attribute, as a remote proxy has."""

    def __getattr__(self, name):
        return Everything()

    def __call__(self, *_):
        return 1


class Raising:
    @property
    def __wrapped__(self):
        raise RuntimeError("not now")

    def __call__(self, *_) -> Rate:
        return Rate()


WRAPPED = {
    "plain": plain,
    "cache": functools.cache(plain),
    "lru_cache": functools.lru_cache(maxsize=2)(plain),
    "partial": functools.partial(plain, 1),
    "partial of cache": functools.partial(functools.cache(plain), 1),
    "cache of partial": functools.cache(functools.partial(plain, 1)),
    "wraps": wrapped(plain),
    "wraps of cache of wraps": wrapped(functools.cache(wrapped(plain))),
    "a class": Counted(plain),
    "a class twice": Counted(Counted(plain)),
    "a class that says nothing": Bare(functools.partial(wrapped(plain), 1)),
    "a signature": Signed(lambda *_: Rate()),
    "an object that is called": Called(),
    "a method": Called().method,
    "a method of cache": functools.cache(Called().method),
    "a class method": Called.of_class,
    "a static method": Called.static,
    "a partial method": Called().partial,
    "singledispatch": functools.singledispatch(plain),
    "the outer one is annotated": unwrapped(lambda *_: Rate()),
    "a property that raises": Raising(),
    "the class itself": Rate,
}


@pytest.mark.parametrize("function", WRAPPED.values(), ids=WRAPPED)
def test_an_annotation_is_found_behind(function):
    assert isinstance(serdes_of(function), ModelSerDes)
    assert annotation_of(function) is Rate
    if function is not Rate:
        assert output_of(function) is Rate


@pytest.mark.parametrize("name", [name for name in WRAPPED if name not in {"the class itself", "singledispatch"}])
def test_so_it_is_for_a_step_a_child_a_branch_and_the_handler(name):
    function = WRAPPED[name]

    @durable
    def handler(event, ctx) -> float:
        found = [
            ctx.step(function, 1, name="step", retry=Retry.none()),
            ctx.run_in_child_context(function, name="child"),
            *ctx.map(function, [1], name="map", item_name=lambda *_: "item").results,
        ]
        ctx.wait(60)
        return sum(rate.value for rate in found)

    run = Simulator(handler).start({}).finish()
    assert (run.status, run.result) == ("SUCCEEDED", 4.5), run.error


def test_the_first_annotation_found_wins():
    def outer(func):
        def inner(*args) -> int:
            return func(*args)

        inner.__wrapped__ = func
        return inner

    assert annotation_of(outer(plain)) is int


def test_what_has_no_end_ends():
    assert annotation_of(Everything()) is None
    assert len(list(layers(Everything()))) <= 100
    assert innermost(plain) is plain
    assert innermost(wrapped(functools.partial(plain))) is plain


def test_the_refusal_behind_a_wrapper_names_the_step():
    @functools.cache
    def price() -> int:
        return "7"

    @durable
    def handler(event, ctx):
        ctx.step(price, retry=Retry.none())

    run = Simulator(handler).start({}).finish()
    assert run.error.error_type == SerDesError.__name__
    assert "step 'price' (#1) is annotated -> int but returned a str" in run.error.error_message
