"""The command ``powertools-durable``: run durable handlers on this machine."""
