"""The replay engine: the records, the updates that are still to be sent, and the effects of an operation. No I/O."""
