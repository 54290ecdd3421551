"""Large values as files on a mount that outlives the sandbox, such as EFS; the record holds a pointer.

A pointer is not trusted: it must name the very file that its execution, its operation and its content would have been
written to, below the directory and not through a link (docs/reliability.md#security-list, item 4).
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from powertools_durable.errors import DurableConfigError, RetryableSerDesError, SerDesError
from powertools_durable.serdes.base import SerDes, SerDesContext
from powertools_durable.serdes.storing import OVER, StoringSerDes, folder_of

__all__ = ["FileSystemSerDes"]

_PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR, errno.ENOTCONN, errno.EBUSY}
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class FileSystemSerDes(StoringSerDes):
    """Writes what is too large for a record to a file.

    Files are made with mode 0600, whole or not at all, under names that are hashes. Nothing deletes them: give the
    directory a life cycle longer than the execution's and its history's.

    Parameters
    ----------
    directory : str | Path
        On a mount that every sandbox of the function has, now and when the execution goes on.
    threshold : int
        Largest text, in bytes, that is recorded itself; default: 261,120.
    preview : Callable | None
        Makes of the value something JSON has, up to 4,096 bytes, that is recorded beside the pointer for the person
        who reads the history.
    inner : SerDes | None
        Makes the text; default: the format that ``returns`` asks for. An ``EncryptingSerDes`` here makes the
        files unreadable too.

    Raises
    ------
    DurableConfigError
        *directory* is no directory, or is lost with the sandbox.

    Examples
    --------
    >>> ctx.step(render, serdes=FileSystemSerDes("/mnt/durable"))  # doctest: +SKIP
    """

    is_read_back: ClassVar[bool] = True  # a mount may say that it wrote, and lose it

    def __init__(
        self,
        directory: str | Path,
        *,
        threshold: int = OVER,
        preview: Callable[[Any], object] | None = None,
        inner: SerDes[Any] | None = None,
    ) -> None:
        super().__init__(threshold, preview=preview, inner=inner)
        self._root = _durable_directory(Path(directory))

    def __repr__(self) -> str:
        return f"FileSystemSerDes({str(self._root)!r})"

    def _keep(self, data: bytes, digest: str, context: SerDesContext) -> dict[str, object]:
        place = _place_of(context, digest)
        try:
            self._write(self._root / place, data)
        except OSError as error:
            problem = error
        else:
            return {"file": place, "sha256": digest, "bytes": len(data)}
        raise _failure("written to", self._root, problem)

    def _fetch(self, pointer: Mapping[str, Any], context: SerDesContext) -> bytes | None:
        place = pointer.get("file")
        if not isinstance(place, str):
            return None
        if place != _place_of(context, pointer["sha256"]):
            message = "a recorded pointer is not one of this operation's"
            raise SerDesError(message)
        try:
            return self._content(self._root / place, pointer["bytes"])
        except OSError as error:
            problem = error
        raise _failure("read from", self._root, problem)

    def _altered(self, pointer: Mapping[str, Any]) -> SerDesError:  # noqa: ARG002 - it names the file by a hash
        return SerDesError(f"a file below {self._root} is not what was recorded of it")

    # -- files ---------------------------------------------------------------------------------------------

    def _write(self, file: Path, data: bytes) -> None:
        """Make *file* appear with all of its content; one that is there from an earlier attempt will do."""
        self._check_mount()
        with suppress(FileExistsError):
            file.parent.mkdir(mode=0o700)
        self._check_no_link(file)
        with suppress(OSError):
            if self._content(file, len(data)) == data:
                return
        draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o600), "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(file)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        _sync(file.parent)

    def _content(self, file: Path, size: int) -> bytes:
        """Return at most *size* bytes and one: more is another file."""
        self._check_no_link(file)
        with os.fdopen(os.open(file, os.O_RDONLY | _NO_LINKS), "rb") as stream:
            return stream.read(size + 1)

    def _check_mount(self) -> None:
        if not self._root.is_dir():
            raise OSError(errno.ENOTCONN, "the mount is not there")

    def _check_no_link(self, file: Path) -> None:
        self._check_mount()
        if file.parent.resolve() != self._root / file.parent.name or file.is_symlink():
            message = f"a link lies below {self._root}; nothing is read or written through it"
            raise SerDesError(message)


def _place_of(context: SerDesContext, digest: str) -> str:
    execution, operation = folder_of(context)
    return f"{execution}/{operation}-{digest[:32]}.json"


def _durable_directory(directory: Path) -> Path:
    root = directory.resolve()
    if not root.is_dir():
        message = f"FileSystemSerDes: {directory} is no directory. Mount a file system there that outlives the sandbox"
        raise DurableConfigError(message)
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ and root.is_relative_to("/tmp"):  # noqa: S108 - it is refused
        message = "FileSystemSerDes: /tmp is lost with the sandbox, and the values with it. Use a mount, such as EFS"
        raise DurableConfigError(message)
    return root


def _sync(directory: Path) -> None:
    """Have the new name on disk; not every file system can."""
    with suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _failure(done: str, root: Path, problem: OSError) -> SerDesError:
    name = errno.errorcode.get(problem.errno or 0, type(problem).__name__)
    message = f"a value could not be {done} {root}: {name}"
    return RetryableSerDesError(message) if problem.errno in _PASSING else SerDesError(message)
