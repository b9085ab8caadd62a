"""Manifests: what a workflow or pipeline declares, read with positions."""
