"""Workflow templates and exports: files in, prompt documents out, each part with the place it came from."""

from comfypipe.template.export import load_export
from comfypipe.template.limits import Limits
from comfypipe.template.render import names_read, render
from comfypipe.template.rendered import Rendered

__all__ = ["Limits", "Rendered", "load_export", "names_read", "render"]
