"""Frozen dataclasses with slots that cost nearly nothing until they are used.

`dataclass` writes six functions for each class and compiles them while its module is imported: a millisecond or more a
class, and a handler that starts cold imports fifty of them. To `dataclasses`, pydantic and type checkers a `frozen`
class is one too::

    import                     first instance              dataclasses.fields, replace, pydantic, inspect
    ------                     --------------              ----------------------------------------------
    slots of the fields        __init__ is compiled        a twin is made by `dataclass`; its description
    __eq__, __hash__,                  ^                   (__dataclass_fields__, signature) is taken over
    __repr__, copies and               |                                    ^
    the refusal of changes,            |                                    |
    written once below                 |                                    |
    __init__ ------------------ `_Later`: replaced when it is first used    |
    __dataclass_fields__, ... - `_Later`: replaced when it is first asked for

So an import pays for a class and its slots (0.1 ms), the first instance for one function, and only who looks at the
fields pays for a dataclass. Three rules keep that simple: frozen classes don't inherit from one another; what all of
them do alike is a function of `_ALIKE` that reads ``__record__``, the names of the fields; a `_Later` replaces itself
in the class, so it costs nothing afterwards. Fields of which at most one has a value can share a slot (`sharing`).
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform, overload

__all__ = ["frozen", "sharing"]

C = TypeVar("C", bound=type[Any])


@overload
def frozen(cls: C, /) -> C: ...
@overload
def frozen(*, kw_only: bool = False, eq: bool = True, repr: bool = True) -> Callable[[C], C]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen(  # its arguments are those of `dataclass`
    cls: Any = None,
    /,
    *,
    kw_only: bool = False,
    eq: bool = True,
    repr: bool = True,  # noqa: A002
) -> Any:
    """Make a class what ``@dataclass(frozen=True, slots=True)`` makes it.

    Frozen classes don't inherit from one another.

    Parameters
    ----------
    kw_only, eq, repr : bool
        As `dataclasses.dataclass` has them.
    """

    def make(plain: type[Any]) -> type[Any]:
        return _made(plain, kw_only=kw_only, eq=eq, shown=repr)

    return make if cls is None else make(cls)


def _made(plain: type[Any], *, kw_only: bool, eq: bool, shown: bool) -> type[Any]:
    body = dict(vars(plain))
    names, positional = _names(body, kw_only=kw_only)
    written = {name: body[name] for name in ("__annotations__", "__doc__", "__module__", *names) if name in body}
    sharers = {name: default for name, default in written.items() if isinstance(default, _Sharing)}
    written |= dict.fromkeys(sharers)
    slots = tuple(dict.fromkeys(sharers[name].slot if name in sharers else name for name in names))
    own = {name: value for name, value in body.items() if name not in {"__dict__", "__weakref__", *names}}
    body = {"__repr__": _repr, **own} if shown else own
    if eq and "__eq__" not in body:
        body |= {"__eq__": _eq, "__hash__": _hash}
    body |= {**_ALIKE, "__slots__": slots, "__record__": names, "__match_args__": positional}
    metaclass: Any = type(plain)
    made = metaclass(plain.__name__, plain.__bases__, body)
    made.__qualname__ = plain.__qualname__
    for name, sharer in sharers.items():
        setattr(made, name, sharer.property_of(vars(made)[sharer.slot]))
    setters = {name: vars(made)[name].__set__ for name in slots}
    setters |= {name: setters[sharer.slot] for name, sharer in sharers.items()}

    def compiled() -> None:
        if names:
            made.__init__ = _init(made, written, setters, len(positional))

    def described() -> None:
        twin = type(plain.__name__, (), dict(written))
        dataclasses.dataclass(init=False, repr=False, eq=False, frozen=True, kw_only=kw_only)(twin)
        compiled()
        for name in _DESCRIPTIONS:  # without a signature of its own it has that of its ``__init__``
            setattr(made, name, vars(twin).get(name))

    if names:
        made.__init__ = _Later("__init__", made, compiled)
    for name in _DESCRIPTIONS:
        setattr(made, name, _Later(name, made, described))
    return made  # type: ignore[no-any-return]


class _Sharing:
    """A field without a slot of its own."""

    def __init__(self, slot: str, kind: type[Any]) -> None:
        self.slot = slot
        self.kind = kind

    def property_of(self, slot: Any) -> property:
        get, kind = slot.__get__, self.kind

        def read(record: object) -> Any:
            value = get(record)
            return value if type(value) is kind else None

        return property(read, slot.__set__)


def sharing(slot: str, kind: type[Any]) -> Any:
    """Make a field, by default None, that shares a slot with others: at most one of them has a value.

    Parameters
    ----------
    slot : str
        Its name.
    kind : type
        What tells this field's value from another's.
    """
    return _Sharing(slot, kind)


def _names(body: Mapping[str, Any], *, kw_only: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of all fields, and of those that may be given by position."""
    found = tuple(body.get("__annotations__", ()))
    if "_" in found:  # ``_: KW_ONLY``
        at = found.index("_")
        return found[:at] + found[at + 1 :], found[:at]
    return found, () if kw_only else found


def _init(
    cls: Any, written: Mapping[str, Any], setters: Mapping[str, Callable[..., None]], positional: int
) -> Callable[..., None]:
    """Compile ``__init__``; each field is set through its slot, because the class refuses all else."""
    names = cls.__record__
    scope: dict[str, Any] = {f"set_{name}": put for name, put in setters.items()}
    scope["MISSING"] = dataclasses.MISSING
    shared = [name for name in setters if name not in names]
    heads, lines = ["self"], [f"    set_{name}(self, None)" for name in shared]
    for number, name in enumerate(names):
        head, value = name, name
        default = written.get(name, dataclasses.MISSING)
        if isinstance(default, dataclasses.Field):
            if default.default_factory is not dataclasses.MISSING:
                scope[f"make_{name}"], default = default.default_factory, dataclasses.MISSING
                head, value = f"{name}=MISSING", f"make_{name}() if {name} is MISSING else {name}"
            else:
                default = default.default
        if default is not dataclasses.MISSING:
            scope[f"default_{name}"], head = default, f"{name}=default_{name}"
        heads += ["*", head] if number == positional else [head]
        ours = "" if name in cls.__slots__ else f"if {name} is not None: "
        lines.append(f"    {ours}set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    code = [f"def make({', '.join(scope)}):", f"  def __init__({', '.join(heads)}):", *lines, "  return __init__"]
    module, found = sys.modules.get(cls.__module__), dict[str, Any]()
    exec("\n".join(code), vars(module) if module else {}, found)  # noqa: S102 - names of our own fields
    init: Callable[..., None] = found["make"](**scope)
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {**{name: written["__annotations__"][name] for name in names}, "return": None}
    return init


_DESCRIPTIONS = ("__dataclass_fields__", "__dataclass_params__", "__signature__")


class _Later:
    """What a class has since somebody looked for it: its ``__init__``, and what `dataclasses` and `inspect` ask for."""

    def __init__(self, name: str, owner: type[Any], make: Callable[[], None]) -> None:
        self._name = name
        self._owner = owner
        self._make = make

    def __get__(self, record: object, cls: type[Any]) -> Any:
        self._make()
        made = vars(self._owner)[self._name]
        return made.__get__(record, cls) if callable(made) else made


# -- what all records do alike --------------------------------------------------------------------------------


def _values(record: Any) -> tuple[Any, ...]:
    return tuple([getattr(record, name) for name in record.__record__])


def _eq(record: object, other: object) -> Any:
    return _values(record) == _values(other) if type(other) is type(record) else NotImplemented


def _hash(record: object) -> int:
    return hash(_values(record))


def _repr(record: Any) -> str:
    shown = (field.name for field in dataclasses.fields(record) if field.repr)
    return f"{type(record).__qualname__}({', '.join(f'{name}={getattr(record, name)!r}' for name in shown)})"


def _set(record: object, name: str, value: object) -> None:
    if _is_field(record, name):
        shown = type(record).__qualname__
        message = f"cannot assign to field {name!r} of a {shown}; dataclasses.replace() makes another"
        raise dataclasses.FrozenInstanceError(message)
    object.__setattr__(record, name, value)


def _delete(record: object, name: str) -> None:
    if _is_field(record, name):
        message = f"cannot delete field {name!r} of a {type(record).__qualname__}"
        raise dataclasses.FrozenInstanceError(message)
    object.__delattr__(record, name)


def _is_field(record: Any, name: str) -> bool:
    """Tell whether *name* can't be changed; a class below may have attributes of its own."""
    return "__record__" in vars(type(record)) or name in record.__record__


def _replace(record: Any, /, **changes: Any) -> Any:
    return dataclasses.replace(record, **changes)


def _restore(record: Any, state: Any) -> None:
    """Set what `object` says that a copy or a pickle of the record, or of one of a class below, consists of."""
    for part in state if isinstance(state, tuple) else (state,):
        for name, value in (part or {}).items():
            object.__setattr__(record, name, value)


_ALIKE: Mapping[str, Any] = {
    "__setattr__": _set,
    "__delattr__": _delete,
    "__setstate__": _restore,
    "__replace__": _replace,
}
