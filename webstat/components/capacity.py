"""A cluster's capacity as bars and counts: cores by what they do, nodes by state."""

from __future__ import annotations

from webstat.components.bars import Piece
from webstat.data.frames import Capacity

NODE_WORDS = {
    "busy": ("b-run", "all cores in use"),
    "partial": ("b-wait", "some cores free"),
    "free": ("b-free", "all cores free"),
    "reserved": ("b-rsv", "reserved"),
    "offline": ("b-off", "offline by an admin"),
    "down": ("b-bad", "down"),
    "unknown": ("b-unk", "unknown"),
}
"""Node state -> texture and words, in the order of the bar."""


def core_pieces(capacity: Capacity) -> list[Piece]:
    """Cores in use, free, reserved, blocked and offline."""
    return [
        Piece("b-run", capacity.in_use, "in use"),
        Piece("b-free", capacity.free or 0, "free"),
        Piece("b-rsv", capacity.reserved, "reserved"),
        Piece("b-blk", capacity.blocked, "blocked"),
        Piece("b-off", capacity.offline, "offline"),
    ]


def node_pieces(capacity: Capacity) -> list[Piece]:
    """Nodes by state."""
    return [Piece(look, capacity.node_states.get(state, 0), word) for state, (look, word) in NODE_WORDS.items()]


def machine_words(capacity: Capacity) -> str:
    """`128 nodes × 24 cores · 16 GPUs`, or the sum where sizes differ."""
    if not capacity.nodes:
        return ""
    nodes = f"{capacity.nodes:,} {'node' if capacity.nodes == 1 else 'nodes'}"
    if len(capacity.node_sizes) == 1:
        nodes += f" × {capacity.node_sizes[0]} cores"
    elif capacity.installed:
        nodes += f", {capacity.installed:,} cores"
    return nodes + (f" · {capacity.gpus:,} GPUs" if capacity.gpus else "")


def whole_words(capacity: Capacity) -> str:
    """`6 whole nodes`, with a word where they are GPU nodes only."""
    count = capacity.whole_nodes
    text = f"{count:,} whole {'node' if count == 1 else 'nodes'}"
    return text + (" (all GPU nodes)" if count and count == capacity.whole_gpu_nodes else "")
