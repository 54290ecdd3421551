"""The parts of `gate`: where histories come from, what is said of each, and how it is reported."""
