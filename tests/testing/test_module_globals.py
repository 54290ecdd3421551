"""What a fresh sandbox has in its module globals: what the import of the user's modules makes of them."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from powertools_durable.testing.crash_testing.module_globals import Globals, is_users, modules_of

SOURCE = """
import functools
from collections import Counter

NUMBER = 1
CACHE = {}
NESTED: dict = {"a": [1, 2], "b": {3}}
SEEN = set()
WORDS = ["one"]
COUNTS = Counter(a=1)
DEBUG = False
if True:
    DEBUG = True


class Settings:
    limit = 3
    names = ["ada"]


class World:
    def __init__(self):
        self.charges = []


world = World()


def handler(event, ctx, seen=[], *, options={"a": 1}):
    return seen, options


@functools.cache
def slow():
    return object()
"""


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "shop_of_the_test.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[path.stem]


def use(module):
    """Do to a module what an invocation might."""
    module.NUMBER += 1
    module.CACHE["a"] = 1
    module.NESTED["a"].append(3)
    module.SEEN.add(1)
    module.WORDS = ["another list"]
    module.COUNTS["a"] += 1
    module.DEBUG = None
    module.Settings.limit = 4
    module.Settings.names.append("bob")
    module.world.charges.append(1)
    module.handler(None, None)[0].append(1)
    module.handler(None, None)[1]["a"] = 2


def told(module):
    return (
        [module.NUMBER, module.CACHE, module.NESTED, module.SEEN, module.WORDS, module.COUNTS, module.DEBUG],
        [module.Settings.limit, module.Settings.names, *module.handler(None, None)],
    )


FRESH = (
    [1, {}, {"a": [1, 2], "b": {3}}, set(), ["one"], {"a": 1}, True],
    [3, ["ada"], [], {"a": 1}],
)


def test_plain_data_is_as_after_the_import_and_objects_are_left_alone(module):
    globals_ = Globals(modules_of(module.handler))
    held, cached = module.WORDS, module.slow()
    for _ in range(2):
        use(module)
        assert told(module) != FRESH
        globals_.renew()
        assert told(module) == FRESH
    assert module.WORDS is held
    assert module.slow() is not cached
    assert module.world.charges == [1, 1]


def test_only_the_user_s_files_are_the_user_s():
    import json

    import pydantic

    import powertools_durable

    assert is_users(__file__)
    assert not any(is_users(module.__file__) for module in (json, pydantic, powertools_durable))
    assert not is_users("<string>")
