"""The checks of ``doctor``: environment, handler, decorators and source. The handler is not run."""
