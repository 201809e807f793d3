"""The DAG of a build, drawn: lines and boxes for a terminal, or an SVG picture.

Nodes are in topological order. In the terminal, each has a line of its own under the lanes of the edges that pass
it by; in the picture, it has a row, and edges are curves on the left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape as escape_xml

from lading.cli.display.output import escape
from lading.verify.documents.dag import Dag, DagNode
from lading.verify.documents.links import TREE
from lading.verify.documents.statements import ResourceDescriptor

_ROW: Final = 34
_LEFT: Final = 120
_WIDTH: Final = 1000
_MAX_TEXT: Final = 110


def text(dag: Dag) -> list[str]:
    """A line a node, with the edges that lead to it beneath."""
    lines, numbers = list[str](), dag.numbers
    sources: dict[int, list[str]] = {}
    for edge in dag.edges:
        if edge.source != edge.target - 1:
            sources.setdefault(edge.target, []).append(f"{numbers[edge.source] or '?'} ({escape(edge.role)})")
    stage: str | None = None
    for at, node in enumerate(dag.nodes):
        if node.stage != stage:
            stage = node.stage
            lines.append(f"┌ {escape(stage or 'image')}")
        product = "■" if node.layer else "□" if node.tree else "·"
        lines.append(f"├{product} {_numbered(numbers[at], node)}{_product(node)}")
        lines += [f"│    ◁ {source}" for source in sources.get(at, [])]
        lines += [f"│    ◁ {escape(item.name or '?')} {_digest(item.digest)}" for item in _outside(node)]
    lines.append("└ ■ makes a layer of the image, □ a tree, · neither; ◁ what it was given besides the step before it")
    return lines


def _numbered(number: int | None, node: DagNode) -> str:
    words = escape(node.step)
    return f"{number}: {words}" if number else words


def _product(node: DagNode) -> str:
    if node.layer:
        return f"  → layer {node.layer.digest.short}"
    return f"  → tree {node.tree.short}" if node.tree else ""


def _outside(node: DagNode) -> list[ResourceDescriptor]:
    return [item for item in node.inputs if (item.name or "") != TREE]


def _digest(digest: Mapping[str, str]) -> str:
    return next((escape(f"{key}:{value[:12]}") for key, value in digest.items()), "")


def svg(dag: Dag) -> str:
    """A picture that stands alone; every text from outside is escaped."""
    height, numbers = _ROW * (len(dag.nodes) + 1), dag.numbers
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        ' font-family="monospace" font-size="13">',
        "<style>text{fill:#222}path{fill:none;stroke:#888}.layer{fill:#2a7}.tree{fill:#8bd}.none{fill:#bbb}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}path{stroke:#777}}</style>",
    ]
    for edge in dag.edges:
        top, bottom = _y(edge.source), _y(edge.target)
        bend = max(_LEFT - 18 * (edge.target - edge.source), 10)
        parts.append(f'<path d="M{_LEFT} {top} C{bend} {top} {bend} {bottom} {_LEFT} {bottom}"/>')
    for at, node in enumerate(dag.nodes):
        kind = "layer" if node.layer else "tree" if node.tree else "none"
        words = _numbered(numbers[at], node)
        shown = words if len(words) <= _MAX_TEXT else f"{words[: _MAX_TEXT - 1]}…"
        title = escape_xml(f"{words}{_product(node)}")
        parts.append(
            f'<g><title>{title}</title><circle class="{kind}" cx="{_LEFT}" cy="{_y(at)}" r="6"/>'
            f'<text x="{_LEFT + 16}" y="{_y(at) + 4}">{escape_xml(shown)}</text></g>'
        )
    parts.append("</svg>\n")
    return "\n".join(parts)


def _y(number: int) -> int:
    return _ROW * (number + 1)
