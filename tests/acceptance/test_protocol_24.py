"""Being written by the fan-out helper (issue 3 tests)."""
