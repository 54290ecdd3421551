"""The package ``aws_durable_execution_sdk_python.concurrency``."""
