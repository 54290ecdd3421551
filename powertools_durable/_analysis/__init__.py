"""Reads a handler and the functions that it calls, and finds what a replay does not repeat."""
