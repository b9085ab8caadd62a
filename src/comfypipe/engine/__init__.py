"""The embedded engine: executes prompts of model-free nodes in this process."""
