"""Workflow-as-code for ComfyUI, on Prefect."""
