"""The simulator: runs a handler in virtual time, in this process."""
