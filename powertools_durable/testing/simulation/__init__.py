"""Run a handler in virtual time, in this process."""
