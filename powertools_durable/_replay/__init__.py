"""The replay engine: records, the updates that are still to be sent, and the effects of operations, without I/O."""
