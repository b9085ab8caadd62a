"""What a node's result depends on, as a key: the same key means the same result."""

import hashlib
from collections.abc import Callable, Iterable, Mapping

from comfypipe._types import JSON
from comfypipe.prompt.graph import Link, Node, PromptGraph


def node_keys(
    graph: PromptGraph, order: Iterable[str], fingerprint: Callable[[Node], tuple[bool, JSON]]
) -> Mapping[str, bytes | None]:
    """
    Return the content key of each node in *order*, None for nodes whose result must not be used again.

    A key is made of the class, the literal inputs, the node's fingerprint (a loaded file's digest) and the keys of all
    that it reads; ids and titles do not count.

    Args:
        order: Each node after those that it reads.
        fingerprint: Of a node: whether there is one that can be relied on, and its value.
    """
    keys: dict[str, bytes | None] = {}
    for node_id in order:
        node = graph.nodes[node_id]
        stable, value = fingerprint(node)
        keys[node_id] = _key(node, value, keys) if stable else None
    return keys


def _key(node: Node, fingerprint: JSON, keys: Mapping[str, bytes | None]) -> bytes | None:
    digest = hashlib.blake2b(repr((node.class_type, fingerprint)).encode(errors="surrogatepass"), digest_size=20)
    for name in sorted(node.inputs):
        value = node.inputs[name]
        if isinstance(value, Link):
            parent = keys.get(value.node_id)
            if parent is None:
                return None
            digest.update(f"{name}\0link\0{value.slot}\0".encode(errors="surrogatepass") + parent)
        else:
            # repr tells 1 from 1.0 and from True; its length keeps neighbouring inputs apart.
            text = repr(value).encode(errors="surrogatepass")
            digest.update(f"{name}\0{len(text)}\0".encode(errors="surrogatepass") + text)
    return digest.digest()
