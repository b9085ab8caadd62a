"""The engine's node classes, a file a family."""
