"""Tokens and ids of the runner. A test that patches `uuid` or `secrets` must not change them."""

from __future__ import annotations

from os import urandom as _urandom  # bound at import, for the same reason

__all__ = ["SystemIds"]


class SystemIds:
    """Tokens and ids from the system's random source."""

    def execution_id(self) -> str:
        """Return a unique execution id."""
        return _urandom(16).hex()

    def token(self) -> str:
        """Return a token that can't be guessed."""
        return _urandom(24).hex()

    def callback_id(self) -> str:
        """Return a callback id that can't be guessed."""
        return _urandom(24).hex()
