"""The replay engine: what is known, what is owed to the service, what an operation may ask for. No I/O."""
