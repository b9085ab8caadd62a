"""Progress of a run, as those who watch are told it."""

from collections.abc import Mapping

from comfypipe._types import JSONObject
from comfypipe.execution.events import JobProgress


def progress_data(event: JobProgress, nodes: Mapping[str, str]) -> JSONObject | None:
    """Return what is told of an event; None for pictures, which are for those who sit before them."""
    progress = event.progress
    if progress.state == "preview":
        return None
    data: JSONObject = {"state": progress.state}
    if progress.node_id is not None:
        title = nodes.get(progress.node_id, progress.class_type)
        data |= {"node": progress.node_id, "class_type": progress.class_type, "title": title}
    if progress.value is not None:
        data |= {"value": progress.value, "maximum": progress.maximum}
    return data
