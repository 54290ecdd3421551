"""What ``doctor`` looks at: the environment, the handler, its decorators and its own lines; nothing of it is run."""
