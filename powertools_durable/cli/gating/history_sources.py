"""The histories that `gate` judges: of executions that run in an account, or of files in a folder.

Payloads are in memory only from the moment a history is read until it was replayed. At most a few histories are
read ahead, however many executions run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from powertools_durable.cli.aws import Account, FunctionName
from powertools_durable.cli.remote import OPEN_STATUSES, region_of
from powertools_durable.cli.usage import UsageError, absolute, shorten_paths

__all__ = ["HistorySource", "files_in", "read_ahead", "running_executions"]

_READ_AHEAD = 2  # histories per thread that are read before they are needed
_ATTEMPTS = 6  # of one request; then its history counts as unknown


@dataclass(frozen=True, slots=True)
class HistorySource:
    """One history to be read.

    Attributes
    ----------
    name : str
        The execution's name, or the file's path.
    version : str
        The version of the function that it runs on; empty for a file.
    read : Callable
        Returns what `replay` takes. Called on a thread of its own.
    runs : bool
        The execution ran when it was listed.
    """

    name: str
    version: str
    read: Callable[[], Any]
    runs: bool = True


def running_executions(function: str) -> list[HistorySource]:
    """Return the executions of a function that run now, as ListDurableExecutionsByFunction lists them, newest first.

    Parameters
    ----------
    function : str
        ``NAME``, ``NAME:QUALIFIER``, or an ARN of either. Without a qualifier: those of all versions.

    Raises
    ------
    UsageError
        *function* is malformed, or AWS refuses the request.
    """
    account = Account(region_of(function), attempts=_ATTEMPTS, adaptive=True)
    return [
        _execution(account, item["DurableExecutionArn"], item["DurableExecutionName"])
        for item in account.executions(FunctionName.parse(function), Statuses=OPEN_STATUSES)
    ]


def _execution(account: Account, arn: str, name: str) -> HistorySource:
    def read() -> dict[str, Any]:
        return {"DurableExecutionArn": arn, "Events": account.history(arn, data=True)}

    return HistorySource(name, arn.partition("/")[0].rpartition(":")[2], read)


def files_in(folder: str) -> list[HistorySource]:
    """Return the histories in a folder: its files that end in ``.json``, in the order of their names.

    Raises
    ------
    UsageError
        It is not a folder, or contains no such file.
    """
    path = absolute(folder)
    if not path.is_dir():
        kind = "is not a folder; to check a single history, use `powertools-durable replay`"
        raise UsageError(f"{folder} {kind if path.exists() else 'does not exist: name a folder of exported histories'}")
    files = sorted(file for file in path.iterdir() if file.suffix == ".json" and file.is_file())
    if not files:
        raise UsageError(
            f"{folder} contains no history: `powertools-durable export ID > {Path(folder) / 'ID.json'}` writes one"
        )
    return [_file(file) for file in files]


def _file(path: Path) -> HistorySource:
    return HistorySource(shorten_paths(str(path)), "", lambda: path, runs=False)


def read_ahead(sources: Sequence[HistorySource], threads: int) -> Iterator[tuple[HistorySource, Any]]:
    """Yield each source with what it reads, in order; *threads* read at the same time.

    A source that can't be read is yielded with the exception.
    """
    pending: deque[tuple[HistorySource, Future[Any]]] = deque()
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="history")
    try:
        for source in sources:
            pending.append((source, pool.submit(source.read)))
            if len(pending) > threads * _READ_AHEAD:
                yield _read(*pending.popleft())
        while pending:
            yield _read(*pending.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read(source: HistorySource, future: Future[Any]) -> tuple[HistorySource, Any]:
    error = future.exception()
    return source, future.result() if error is None else error
