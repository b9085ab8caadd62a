"""What clients can ask, a noun a file."""
