"""An image comes although the registry would not list its evidence, and the next judgement asks again."""

from __future__ import annotations

from pathlib import Path

from suites.commands import Lading, context
from suites.registry_hostile import Hostile, hostile


def signed(folder: Path, registry: Hostile) -> tuple[Lading, str]:
    """Another root, whose policy trusts the key of an image that the registry has."""
    maker, user = Lading(folder / "maker"), Lading(folder / "user")
    maker.ok("keygen")
    name = f"{registry.host}/team/app:1"
    maker.ok("build", "-q", "-t", name, context(folder / "context", "FROM scratch\nCOPY a /a\n", a="content"))
    registry.referrers_api = True
    maker.ok("push", "-q", name)
    user.root.mkdir(mode=0o700)
    (user.root / "policy.yaml").write_bytes((maker.root / "policy.yaml").read_bytes())
    return user, name


def test_what_was_not_listed_is_asked_for_again(tmp_path: Path) -> None:
    with hostile() as registry:
        user, name = signed(tmp_path, registry)
        registry.trick("/referrers/", lambda h: h.answer(403))
        user.fails(1, "pull", "-q", "--evidence=required", name)
        said = user.call("pull", name)
        assert said.code == 0
        assert "could not be learnt" in said.err
        # What is not known is neither refused nor accepted.
        user.fails(5, "verify", name)
        registry.tricks.clear()
        user.ok("verify", name)
        # What only looks at the store does not ask.
        registry.seen.clear()
        user.fails(4, "verify", "--local", name)
        assert not registry.seen
        user.ok("pull", "-q", name)
        registry.seen.clear()
        user.ok("verify", name)
        assert not registry.seen


def test_a_judgement_has_bounds_that_the_user_can_set(tmp_path: Path) -> None:
    with hostile() as registry:
        user, name = signed(tmp_path, registry)
        said = user.call("verify", "--remote", name, LADING_LIMITS="requests=2")
        assert said.code == 5
        assert "LADING_LIMITS=requests=" in said.err + said.out
        user.ok("verify", "--remote", name)
        assert "no limit 'request'" in user.fails(1, "pull", name, LADING_LIMITS="request=2")
        registry.trick("GET .*/manifests/", lambda h: h.answer(429, Retry_After="5"))
        assert "asks to come back in 5 seconds" in user.fails(1, "pull", name, LADING_LIMITS="retry-after=3")
