"""Moving pictures as values and as files."""
