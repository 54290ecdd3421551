"""Fixtures of the tests of serdes."""

from tests.s3 import s3, s3_of_the_session  # noqa: F401 - used by name
