"""Places where prompts run, behind one protocol."""
