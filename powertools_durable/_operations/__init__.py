"""A file per durable call. Each is a generator that reads like its table in the protocol, and does no I/O."""
