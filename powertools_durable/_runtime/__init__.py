"""Performs the effects of operations: threads, time and the two API calls are here."""
