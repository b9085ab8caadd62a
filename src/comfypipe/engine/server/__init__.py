"""The engine behind ComfyUI's own HTTP and WebSocket protocol."""
