"""What of a graph could not be taken over into the prompt, said in words."""

from collections.abc import Iterator

from comfypipe.importing.prompt_parts import readable
from comfypipe.importing.space import Space, runs
from comfypipe.importing.ui_graph import INPUT_BORDER, UINode


def losses(root: Space) -> Iterator[str]:
    """Yield one line for each thing that is lost: links that lead nowhere, values that have no place."""
    for space in root.walk():
        for node in space.scope.nodes.values():
            if runs(node):
                yield from map(readable, _lost_links(space, node))
                yield from map(readable, _lost_values(space, node))


def _lost_links(space: Space, node: UINode) -> Iterator[str]:
    for slot in node.inputs:
        if slot.link is None:
            continue
        what = f"input {slot.name} of node {space.id_of(node)} ({node.type})"
        link = space.scope.links.get(slot.link)
        if link is None:
            yield f"{what} has a link that leads nowhere"
        elif link.origin_id not in space.scope.nodes and link.origin_id != INPUT_BORDER:
            yield f"{what} is linked to node {link.origin_id}, which is not there"


def _lost_values(space: Space, node: UINode) -> Iterator[str]:
    if node.type in space.catalog or node.id in space.children or space.is_virtual(node):
        return
    if node.values and not space.state(node).widgets:
        yield (
            f"node {space.id_of(node)} is of class {node.type}, which the catalog does not have: "
            f"its {len(node.values)} values cannot be placed"
        )
