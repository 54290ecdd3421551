"""Values compressed on their way into the record, by gzip or zstd; either reads what the other wrote."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from typing import Any, ClassVar, Literal

from powertools_durable.errors import DurableConfigError, RetryableSerDesError, SerDesError
from powertools_durable.serdes.base import SerDes, SerDesContext
from powertools_durable.serdes.chain import ChainLayer
from powertools_durable.serdes.wrapping import WrappingSerDes

__all__ = ["CompressingSerDes"]

_OVER = 1024  # bytes; what is smaller hardly gets smaller
_PIECE = 64 * 1024  # characters
_LEVELS = {"gzip": (0, 9, 6), "zstd": (1, 22, 3)}  # lowest, highest, default
_MOST = 1024**3  # bytes that a text may have; a record that claims more was not written here


class CompressingSerDes(WrappingSerDes):
    """Compresses what an operation records.

    The record says how it was compressed, so a handler that changes *algorithm* reads its older records. A text that
    does not get smaller is recorded as it is.

    Parameters
    ----------
    algorithm : str
        ``"gzip"``, or ``"zstd"``, which is faster and needs the extra ``powertools-durable[zstd]``.
    level : int | None
        Of compression: 0 to 9 for gzip (default: 6), 1 to 22 for zstd (default: 3). Higher is smaller and slower.
    over : int
        Largest text, in bytes, that is not compressed.
    inner : SerDes | None
        Makes the text; default: the format that ``returns`` asks for.

    Raises
    ------
    DurableConfigError
        There is no such algorithm or level, zstd is not installed, or *inner* encrypts, stores or compresses.

    Examples
    --------
    >>> ctx.step(load_catalog, serdes=CompressingSerDes())  # doctest: +SKIP
    """

    layer: ClassVar[ChainLayer] = ChainLayer.COMPRESS

    def __init__(
        self,
        algorithm: Literal["gzip", "zstd"] = "gzip",
        *,
        level: int | None = None,
        over: int = _OVER,
        inner: SerDes[Any] | None = None,
    ) -> None:
        if algorithm not in _LEVELS:
            message = f"CompressingSerDes takes 'gzip' or 'zstd', not {algorithm!r}"
            raise DurableConfigError(message)
        lowest, highest, default = _LEVELS[algorithm]
        if level is not None and not lowest <= level <= highest:
            message = f"CompressingSerDes: the level of {algorithm} is from {lowest} to {highest}, not {level}"
            raise DurableConfigError(message)
        super().__init__(inner)
        self._algorithm = algorithm
        self._level = default if level is None else level
        self._over = over
        if algorithm == "zstd" and (problem := _problem_of_zstd()):
            raise DurableConfigError(f"CompressingSerDes('zstd') {problem}")

    def __repr__(self) -> str:
        return f"CompressingSerDes({self._algorithm!r})"

    def wrap(self, text: str, context: SerDesContext) -> str:  # noqa: ARG002 - the signature of `WrappingSerDes`
        """Return *text* compressed, in an envelope; as it is, if it is small or gets no smaller."""
        size = len(text) if text.isascii() else len(text.encode())
        if size > self._over:
            packed = b64encode(self._compressed(text)).decode()
            if len(packed) < size:
                return f'{{"{self._algorithm}":"{packed}","bytes":{size}}}'
        return json.dumps({"data": text})

    def unwrap(self, text: str, context: SerDesContext) -> str:  # noqa: ARG002
        """Return what `wrap` was given."""
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            record = None
        match record:
            case {"data": str(clear), **rest} if not rest:
                return clear
            case {"gzip": str(packed), "bytes": int(size)} if 0 <= size <= _MOST:
                decompressed = _gunzip
            case {"zstd": str(packed), "bytes": int(size)} if 0 <= size <= _MOST:
                decompressed = _decompress_zstd
            case _:
                message = f"a recorded value is no envelope of {type(self).__name__}"
                raise SerDesError(message)
        try:
            raw = b64decode(packed, validate=True)
            del record, packed  # each is as large as the value
            data = decompressed(raw, size)
            if len(data) == size:
                return data.decode()
        except (ValueError, zlib.error, EOFError):
            pass
        message = "a recorded value can't be decompressed: it was damaged, or changed"
        raise SerDesError(message)

    def _compressed(self, text: str) -> bytes:
        """Compress *text* piece by piece: in a fan-out, many large values are in memory at the same time."""
        stream: Any
        if self._algorithm == "gzip":
            stream = zlib.compressobj(self._level, wbits=31)  # its header has no time: a text always gives one record
        else:
            import zstandard

            stream = zstandard.ZstdCompressor(level=self._level).compressobj()
        pieces = [stream.compress(text[i : i + _PIECE].encode()) for i in range(0, len(text), _PIECE)]
        return b"".join([*pieces, stream.flush()])


def _gunzip(packed: bytes, size: int) -> bytes:
    """Decompress at most one byte more than *size*: more is another text, and may be without end."""
    stream = zlib.decompressobj(wbits=31)
    data = stream.decompress(packed, size + 1)
    if not stream.eof:
        raise EOFError
    return data


def _decompress_zstd(packed: bytes, size: int) -> bytes:
    if problem := _problem_of_zstd():
        message = f"a recorded value is compressed by zstd, and reading it {problem}"
        raise RetryableSerDesError(message)
    import zstandard

    try:
        return zstandard.ZstdDecompressor().stream_reader(packed).read(size + 1)
    except zstandard.ZstdError:
        raise ValueError from None


def _problem_of_zstd() -> str:
    try:
        import zstandard  # noqa: F401
    except ImportError as error:
        return f"needs {error.name}: install powertools-durable[zstd]"
    return ""
