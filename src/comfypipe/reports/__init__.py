"""Records of runs as tables, JSON and pages."""
