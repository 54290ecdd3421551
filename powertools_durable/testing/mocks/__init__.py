"""A context over prepared records, and a backend that records requests."""
