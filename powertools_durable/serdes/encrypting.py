"""Values encrypted on their way into the record, by a provider of Powertools' data masking or one of the same shape."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from powertools_durable.errors import DurableConfigError, RetryableSerDesError, SerDesError
from powertools_durable.errors.wording import class_name
from powertools_durable.serdes.base import SerDes, SerDesContext
from powertools_durable.serdes.chain import ChainLayer
from powertools_durable.serdes.wrapping import WrappingSerDes

__all__ = ["EncryptingSerDes", "EncryptionProvider"]


class EncryptionProvider(Protocol):
    """What encrypts: a provider of Powertools' data masking, or anything with the same two methods.

    The keyword arguments after *data* are the encryption context: `decrypt` must refuse what was encrypted under
    another one.
    """

    def encrypt(self, data: Any, provider_options: dict[str, Any] | None = None, **encryption_context: str) -> str:
        """Return *data* encrypted, as text."""
        ...

    def decrypt(self, data: str, provider_options: dict[str, Any] | None = None, **encryption_context: str) -> Any:
        """Return what was encrypted."""
        ...


class EncryptingSerDes(WrappingSerDes):
    """Encrypts what an operation records.

    The encryption context (additional authenticated data) is the execution's ARN and the operation's id, so a
    record can't be passed off as that of another operation or execution. A value is encrypted once, when it is
    recorded, and decrypted by each replay; a key service is asked as often. It covers results and states of
    operations, and fan-outs with their items; not the execution's input and result, callbacks' answers, invokes'
    payloads, names and error messages.

    Parameters
    ----------
    provider : EncryptionProvider
        For example Powertools' ``AWSEncryptionSDKProvider``, or a ``DataMasking`` around one.
    provider_options : Mapping | None
        Handed to the provider with each call.
    inner : SerDes | None
        Makes the text; default: the format that ``returns`` asks for.

    Raises
    ------
    DurableConfigError
        *provider* has not the two methods.

    Examples
    --------
    >>> @durable(serdes=EncryptingSerDes(AWSEncryptionSDKProvider(keys=[KEY])))  # doctest: +SKIP
    """

    layer = ChainLayer.ENCRYPT
    is_remote = True

    def __init__(
        self,
        provider: EncryptionProvider,
        *,
        provider_options: Mapping[str, Any] | None = None,
        inner: SerDes[Any] | None = None,
    ) -> None:
        methods = (getattr(provider, "encrypt", None), getattr(provider, "decrypt", None))
        if isinstance(provider, type) or not all(map(callable, methods)):
            shown = provider.__name__ if isinstance(provider, type) else type(provider).__name__
            message = (
                f"EncryptingSerDes takes a provider with encrypt() and decrypt(), such as Powertools'; not {shown}"
            )
            raise DurableConfigError(message)
        super().__init__(inner)
        self._provider = provider
        self._options = dict(provider_options or {})
        self._tried: list[bool] = []  # once in a process is enough; shared by the copies around other formats

    def __repr__(self) -> str:
        return f"EncryptingSerDes({type(self._provider).__name__})"

    @property
    def keys(self) -> list[str]:
        """ARNs of the keys of KMS that the provider encrypts with; empty if it does not say so."""
        provider = getattr(self._provider, "provider", self._provider)  # a `DataMasking` has one
        keys = getattr(provider, "keys", None)
        return [key for key in keys if isinstance(key, str)] if isinstance(keys, (list, tuple)) else []

    def wrap(self, text: str, context: SerDesContext) -> str:
        """Encrypt *text*; the first time, see that it can be decrypted before anything depends on it."""
        failure: Exception
        around = sys.exception()
        try:
            secret: object = self._provider.encrypt(text, dict(self._options), **_bound_to(context))
        except RetryableSerDesError:
            raise
        except Exception as error:  # noqa: BLE001 - a provider may raise anything, and show anything in its words
            failure = _failure("encrypted", _codes(error, around), error)
        else:
            if not isinstance(secret, str):
                failure = SerDesError(f"{self!r}: encrypt() returned {class_name(secret)}; it must return text")
            elif not self._tried and self.unwrap(secret, context) != text:
                failure = SerDesError(f"{self!r}: decrypt() does not return what encrypt() was given")
            else:
                self._tried[:] = [True]
                return secret
        raise failure

    def unwrap(self, text: str, context: SerDesContext) -> str:
        """Decrypt *text*."""
        failure: Exception
        around = sys.exception()
        try:
            clear: object = self._provider.decrypt(text, dict(self._options), **_bound_to(context))
        except RetryableSerDesError:
            raise
        except Exception as error:  # noqa: BLE001
            failure = _failure("decrypted", _codes(error, around), error)
        else:
            if isinstance(clear, str):
                return clear
            failure = SerDesError(f"{self!r}: decrypt() returned {class_name(clear)}; it must return the text")
        raise failure


# Encrypting: what may be over in a moment. Decrypting: whatever AWS says, except that the text is none of its own;
# a running execution must not end because somebody touched a key's policy.
_TRANSIENT = ("Throttl", "TooManyRequests", "LimitExceeded", "Unavailable", "Internal", "Timeout", "RequestExpired")
_LOST = ("botocore.exceptions.HTTPClientError", "botocore.exceptions.ConnectionError")
_FOR_GOOD = ("InvalidCiphertext", "IncorrectKey", "Validation")


def _bound_to(context: SerDesContext) -> dict[str, str]:
    return {"execution_arn": context.execution_arn, "operation_id": context.operation_id}


def _failure(done: str, codes: Sequence[str], error: Exception) -> SerDesError:
    """Say what became of a call, without the words of the provider: they may show what was encrypted."""
    if done == "decrypted":
        again = bool(codes) and not any(code.startswith(_FOR_GOOD) for code in codes)
    else:
        again = any(word in code for code in codes for word in _TRANSIENT)
    message = f"a value could not be {done}: {', '.join([type(error).__name__, *codes])}"
    return RetryableSerDesError(message) if again else SerDesError(message)


def _codes(error: BaseException, around: BaseException | None) -> list[str]:
    """Return what AWS, or the way there, said: error codes, and ``Timeout`` for lost connections.

    Powertools and the encryption SDK raise errors of their own in its place, so what is behind *error* is asked
    too, up to what was handled *around* the call.
    """
    found = []
    seen: BaseException | None = error
    while seen is not None and seen is not around:
        response = getattr(seen, "response", None)
        if isinstance(response, Mapping):
            found.append(str(response.get("Error", {}).get("Code", "Unknown")))
        elif isinstance(seen, (ConnectionError, TimeoutError)) or _is_lost_connection(type(seen)):
            found.append("Timeout")
        seen = seen.__cause__ or seen.__context__
    return found


def _is_lost_connection(cls: type) -> bool:
    """Recognise botocore's errors of the network by their base classes' names, without importing it."""
    return any(f"{base.__module__}.{base.__name__}" in _LOST for base in cls.__mro__)
