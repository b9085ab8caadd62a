"""Sound as arrays and as files."""
