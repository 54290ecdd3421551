"""Fixtures of the tests of the security list."""

from tests.s3 import s3, s3_of_the_session  # noqa: F401 - used by name
