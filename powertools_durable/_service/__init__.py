"""The service's side of the protocol: a twin of AWS's service, for the simulator and the local runner.

It reads the same lifecycle table as the engine. The conformance cases and the tests against the official emulator show
that it agrees with the real service.
"""
