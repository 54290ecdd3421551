"""Performs what operations ask for: threads, time and the two API calls are here."""
