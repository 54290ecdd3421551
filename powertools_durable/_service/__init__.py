"""The service's half of the protocol: a twin of AWS's, for the simulator and the local runner.

It reads the same lifecycle table as the engine. That it agrees with the real service is what the conformance
cases and the tests against the official emulator are for.
"""
