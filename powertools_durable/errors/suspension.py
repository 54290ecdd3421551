"""The signal that ends an invocation to wait: no error, and kept apart from the tree of errors."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

__all__ = ["SuspendExecution"]


class SuspendExecution(BaseException):
    """Ends this invocation to wait; the execution goes on later.

    Not for catching. ``except Exception`` lets it pass; if you must catch everything, let it through::

        except SuspendExecution:
            raise
        except BaseException:
            ...

    Attributes
    ----------
    until : datetime | None
        When the service will wake the execution; None when something outside must happen first.
    waits_for : tuple
        The operations that are waited for: handles with a ``status``.
    """

    __module__ = "powertools_durable.errors"  # where users import it from

    # X-Ray reads these two: they keep a suspension from being recorded as a fault.
    _recorded: ClassVar[bool] = True
    _cause_id: ClassVar[str] = "5755a9e7d0000000"

    def __init__(self, until: datetime | None = None, waits_for: tuple[Any, ...] = ()) -> None:
        super().__init__(
            "the execution suspends to wait; this is no error. If you catch BaseException, put "
            "'except SuspendExecution: raise' before it"
        )
        self.until = until
        self.waits_for = waits_for
        self.is_reported = False  # a warning has said where it was caught
