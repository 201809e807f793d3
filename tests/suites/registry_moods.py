"""Ways in which registries misbehave, or answer oddly but by right: each is set up on a `Hostile` by its name."""

from __future__ import annotations

import re
from collections.abc import Callable

from suites.registry_hostile import Handler, Hostile, Trick, digest

Mood = Callable[[Hostile], None]
MOODS: dict[str, Mood] = {}


def refuses(
    status: int, body: bytes = b'{"errors":[{"code":"UNSUPPORTED","message":"not here"}]}', **more: str
) -> Trick:
    def trick(handler: Handler) -> None:
        handler.body()
        handler.answer(status, body, **more)

    return trick


def always(pattern: str, trick: Trick, times: int | None = None) -> Mood:
    return lambda registry: registry.trick(pattern, trick, times)


def together(*moods: Mood) -> Mood:
    def mood(registry: Hostile) -> None:
        for one in moods:
            one(registry)

    return mood


def half_a_blob(handler: Handler) -> None:
    data = handler.registry.blobs[handler.path.rpartition("/")[2]]
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    handler.cut()


def half_an_upload(handler: Handler) -> None:
    upload = handler.registry.uploads[upload_of(handler)]
    upload += handler.rfile.read(int(handler.headers["Content-Length"]) // 2)
    handler.cut()


def without_ranges(status: int) -> Trick:
    return lambda handler: handler.answer(status) if handler.headers.get("Range") else honestly(handler)


def upload_of(handler: Handler) -> str:
    return handler.path.partition("?")[0].rpartition("/")[2]


def honestly(handler: Handler) -> None:
    handler.honest(handler.registry.seen[-1])


def keeps_and_says_nothing(handler: Handler) -> None:
    """Stores the blob; the answer is lost."""
    data = handler.body()
    handler.registry.put_blob(bytes(handler.registry.uploads.pop(upload_of(handler))) + data)
    handler.cut()


def commits_behind_a_gateway(registry: Hostile) -> None:
    """A gateway loses patience; the blob is there when it is looked for the second time."""
    looks: dict[str, int] = {}
    waiting: dict[str, bytes] = {}

    def put(handler: Handler) -> None:
        data = bytes(handler.registry.uploads.pop(upload_of(handler))) + handler.body()
        waiting[digest(data)] = data
        handler.answer(504)

    def head(handler: Handler) -> None:
        name = handler.path.rpartition("/")[2]
        if name in waiting:
            looks[name] = looks.get(name, 0) + 1
            if looks[name] == 2:
                handler.registry.put_blob(waiting.pop(name))
        honestly(handler)

    registry.trick("PUT .*/uploads/", put)
    registry.trick("HEAD .*/blobs/", head)


def location(form: str) -> Mood:
    """Every Location of an upload in another form."""

    def mood(registry: Hostile) -> None:
        def begin(handler: Handler) -> None:
            handler.body()
            name = f"u{next(handler.registry.names)}"
            handler.registry.uploads[name] = bytearray()
            where = handler.path.partition("?")[0].rstrip("/")
            values = {"url": handler.registry.url, "host": handler.registry.host, "path": where, "name": name}
            handler.answer(202, Location=form.format(**values))

        registry.trick("POST .*/uploads/", begin)

    return mood


def ranges(form: str) -> Mood:
    """What an upload without a byte says of itself; its first PUT breaks before anything came."""

    def status(handler: Handler) -> None:
        more = {"Range": form} if form else {}
        handler.answer(204, Location=handler.path, **more)

    return together(always("PUT .*/uploads/", Handler.cut, 1), always("GET .*/uploads/", status, 1))


def asks_for(*challenges: str, at: str = "", otherwise: int = 401) -> Mood:
    """Basic logins; the challenges stand where `at` matches, elsewhere there is only the status `otherwise`."""

    def door(handler: Handler) -> None:
        if handler.headers.get("Authorization", "").startswith("Basic "):
            return honestly(handler)
        handler.body()
        if not re.search(at, handler.path):
            return handler.answer(otherwise, b"{}")
        handler.send_response(401)
        for challenge in challenges:
            handler.send_header("WWW-Authenticate", challenge)
        handler.send_header("Content-Length", "0")
        return handler.end_headers()

    return always("", door)


def tokens(grant: Callable[[dict[str, set[str]]], bool]) -> Mood:
    """Bearer tokens for what `grant` lets through: a mapping of repository to actions."""

    def mood(registry: Hostile) -> None:
        given: dict[str, dict[str, set[str]]] = {}

        def service(handler: Handler) -> None:
            wanted: dict[str, set[str]] = {}
            for name, actions in re.findall(r"scope=repository%3A([^&]*?)%3A([a-z%2C]*)", handler.path):
                wanted.setdefault(name.replace("%2F", "/"), set()).update(actions.split("%2C"))
            if not grant(wanted):
                return handler.answer(403, b'{"errors":[{"code":"DENIED","message":"no"}]}')
            token = f"t{len(given)}"
            given[token] = wanted
            return handler.answer(200, f'{{"token":"{token}","expires_in":3600}}'.encode())

        def door(handler: Handler) -> None:
            match = re.match(r"/v2/(.+?)/(?:blobs|manifests|referrers|tags)/", handler.path)
            name = match[1] if match else ""
            action = "pull" if handler.command in ("GET", "HEAD") else "push"
            rights = given.get(handler.headers.get("Authorization", "").removeprefix("Bearer "))
            if rights is not None and (not name or action in rights.get(name, ())):
                return honestly(handler)
            handler.body()
            challenge = f'Bearer realm="{registry.url}/token",service="s",scope="repository:{name}:{action}"'
            return handler.answer(401, WWW_Authenticate=challenge)

        registry.trick("", door)
        registry.trick("GET /token", service)

    return mood


def made_by_the_first_push(registry: Hostile) -> None:
    """Nobody may read a repository before somebody pushed to it."""
    made = {"a/dst", "a/src"} if registry.manifests else {"a/src"}

    def grant(wanted: dict[str, set[str]]) -> bool:
        made.update(name for name, actions in wanted.items() if "push" in actions)
        return wanted.keys() <= made

    tokens(grant)(registry)


def answers(pattern: str, status: int) -> Mood:
    """Does it, and says so by another status."""

    def trick(handler: Handler) -> None:
        send = handler.send_response
        handler.send_response = lambda code, message=None: send(status if code == 201 else code, message)  # type: ignore[method-assign]
        honestly(handler)
        del handler.send_response

    return always(pattern, trick)


def limited(handler: Handler, most: int) -> None:
    if int(handler.headers.get("Content-Length", 0)) > most:
        handler.body()
        return handler.answer(413)
    return honestly(handler)


NO_STATUS = (400, 404, 405, 501)
PAGE = refuses(200, b"<html>", Content_Type="text/html")
PEER = refuses(200, b'{"manifests":[]}', Content_Type="application/json")

MOODS |= {f"mounts are refused: {n}": always("POST .*mount=", refuses(n)) for n in (400, 401, 403, 404, 405, 429, 500)}
MOODS |= {f"HEAD of blobs is refused: {n}": always("HEAD .*/blobs/", refuses(n)) for n in (400, 403, 405, 501)}
MOODS |= {f"HEAD of manifests is refused: {n}": always("HEAD .*/manifests/", refuses(n)) for n in (400, 403, 405, 501)}
MOODS |= {f"referrers: {n}": always("/referrers/", refuses(n)) for n in (400, 404, 405, 406, 501)}
MOODS |= {
    "referrers: a page": always("/referrers/", PAGE),
    "referrers: JSON of its own": always("/referrers/", PEER),
    "referrers: the way to a page": together(
        always("/referrers/", lambda h: h.answer(303, Location=f"{h.registry.url}/page")),
        always("GET /page", refuses(429, Retry_After="7200")),
    ),
    "referrers: redirected to a page": together(
        always("/referrers/", lambda h: h.answer(302, Location=f"{h.registry.url}/page")), always("GET /page", PAGE)
    ),
}
MOODS |= {
    f"a PUT breaks, and uploads have no status: {n}": together(
        always("PUT .*/uploads/", half_an_upload, 1), always("GET .*/uploads/", refuses(n))
    )
    for n in NO_STATUS
}
MOODS |= {
    f"blobs break off, and ranges are refused: {n}": together(
        always("GET .*/blobs/sha", without_ranges(n)), always("GET .*/blobs/sha", half_a_blob, 2)
    )
    for n in (400, 416, 501)
}
MOODS |= {
    f"asks for patience: {verb}": always(verb, refuses(429, Retry_After="1"), 1)
    for verb in (
        "GET .*/manifests/",
        "GET .*/blobs/",
        "HEAD",
        "POST",
        "PUT .*/uploads/",
        "PUT .*/manifests/",
        "/referrers/",
    )
}
MOODS |= {
    "asks for patience: PATCH": together(
        always("PUT .*/uploads/.*digest", half_an_upload, 1), always("PATCH", refuses(429, Retry_After="1"), 1)
    ),
    "a PUT breaks half-way": always("PUT .*/uploads/", half_an_upload, 1),
    "the answer to a commit is lost": always("PUT .*/uploads/", keeps_and_says_nothing, 2),
    "a commit outlasts its gateway": commits_behind_a_gateway,
    "whole blobs are too large": always(r"PUT .*/uploads/", lambda h: limited(h, 40_000)),
    "202 for a manifest": answers("PUT .*/manifests/", 202),
    "200 for a manifest": answers("PUT .*/manifests/", 200),
    "202 for a blob": answers("PUT .*/uploads/", 202),
    "204 for a blob": answers("PUT .*/uploads/", 204),
}
MOODS |= {
    f"Location: {form}": location(form)
    for form in ("{path}/{name}", "{url}{path}/{name}", "//{host}{path}/{name}", "{name}", "../uploads/{name}",
                 "{path}/{name}?state=a%2Fb%3D&x", "{url}{path}/{name}?_state=x")
}  # fmt: skip
MOODS |= {f"Range of nothing: {form!r}": ranges(form) for form in ("0-0", "0--1", "bytes=0-0", "")}
MOODS |= {
    "asks for a login": asks_for('Basic realm="here, there"'),
    "asks in several ways": asks_for('Negotiate, Digest realm="x", nonce="y", Basic realm="z"'),
    "asks in several headers": asks_for("Negotiate", 'bAsIc realm="z"'),
    "asks at /v2/ alone": asks_for('Basic realm="x"', at="^/v2/$"),
    "asks at /v2/ alone, and hides the rest": asks_for('Basic realm="x"', at="^/v2/$", otherwise=404),
    "asks at /v2/ alone, and denies the rest": asks_for('Basic realm="x"', at="^/v2/$", otherwise=403),
    "tokens": tokens(lambda wanted: True),
    "tokens for one repository at a time": tokens(lambda wanted: len(wanted) < 2),
    "makes a repository with its first push": made_by_the_first_push,
}
