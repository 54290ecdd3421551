"""Tokens and ids of the runner, from a source of their own: who patches `uuid` or `secrets` does not mean them."""

from __future__ import annotations

from os import urandom as _urandom  # as it is now, for the same reason

__all__ = ["SystemIds"]


class SystemIds:
    """Tokens and ids from the system's randomness."""

    def execution_id(self) -> str:
        """Return an id that no other execution has."""
        return _urandom(16).hex()

    def token(self) -> str:
        """Return a token nobody can guess."""
        return _urandom(24).hex()

    def callback_id(self) -> str:
        """Return a callback id nobody can guess."""
        return _urandom(24).hex()
