"""Run a handler over recorded history without doing anything."""
