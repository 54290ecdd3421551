"""Handlers that the official conformance requirements ask for, one module for each suite."""
