"""What the user holds. The only place where operations and drivers meet."""
