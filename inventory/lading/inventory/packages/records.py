"""Text records as package managers write them: fields of stanzas, mail headers, lines of letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def text(content: bytes | None) -> str:
    """A record's text; what is not UTF-8 in it stands as U+FFFD."""
    return (content or b"").decode("utf-8", "replace")


def stanzas(content: bytes | None) -> Iterator[Mapping[str, str]]:
    """The stanzas of a control file (deb822), without the continuation lines of their fields."""
    found: dict[str, str] = {}
    for line in text(content).split("\n"):
        name, colon, value = line.partition(":")
        if not line.strip():
            if found:
                yield found
            found = {}
        elif colon and not line[0].isspace():
            found.setdefault(name, value.strip())
    if found:
        yield found


def header(content: bytes | None) -> list[tuple[str, str]]:
    """The fields before the first empty line that follows one, with the lines that continue them."""
    found: list[tuple[str, list[str]]] = []
    for line in text(content).split("\n"):
        name, colon, value = line.partition(":")
        if line in ("", "\r"):
            if found:
                break
        elif line[0].isspace():
            for _, said in found[-1:]:
                said.append(line.strip())
        elif colon:
            found.append((name, [value.strip()]))
    return [(name, "\n".join(said)) for name, said in found]
