"""Typed stand-ins for nodes that need a model, and the placeholder pictures that they make."""
