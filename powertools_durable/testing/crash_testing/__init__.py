"""Run a handler with a crash at every point, and compare."""
