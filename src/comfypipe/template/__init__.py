"""Workflow templates: prompt JSON with Jinja, escaped by JSON position."""
