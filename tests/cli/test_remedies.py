"""An error is neutral for a program, and names commands and options at the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lading.cli.display.remedies import WORDS, hint_of, message_of, notice_of
from lading.host.configuration import Configuration
from lading.host.registries import client_config
from lading.runtime.options import RunOptions, VolumeMount
from lading.store.archives.layer_limits import RAISE
from lading.store.errors import InputError, LadingError, Notice, Remedy, UsageError
from lading.verify.keys.keyfiles import PasswordError
from lading.verify.keys.keys import PrivateKey
from suites.commands import Lading, context


def test_a_remedy_is_a_sentence_for_programs_and_a_command_at_the_command_line() -> None:
    error = LadingError("no", hint=Remedy("log in", "log in to registry.example.com", "registry.example.com"))
    assert error.hint == "log in to registry.example.com"
    assert error.remedy is not None
    assert (error.remedy.name, error.remedy.about) == ("log in", ("registry.example.com",))
    assert hint_of(error) == "lading login registry.example.com"
    assert hint_of(LadingError("no", hint="as it is: {0}")) == "as it is: {0}"
    assert hint_of(LadingError("no")) is None


def test_the_hint_stays_what_it_is_in_another_error() -> None:
    first = InputError("no", hint=Remedy("stop container", "stop web", "web"))
    assert hint_of(LadingError("more", hint=first.hint)) == "lading stop web"


@pytest.mark.parametrize("words", WORDS.values())
def test_words_need_no_more_than_two_things(words: str) -> None:
    assert set(re.findall(r"{(.*?)}", words)) <= {"0", "1"}


def test_options_are_named_as_they_are_typed() -> None:
    with pytest.raises(UsageError) as caught:
        RunOptions("app", network="bridge").validate()
    assert caught.value.message == "network bridge: only default, none and host exist yet"
    assert message_of(caught.value) == "--network bridge: only default, none and host exist yet"
    with pytest.raises(UsageError) as caught:
        VolumeMount.parse("a:/")
    assert message_of(caught.value) == "-v a:/: the target cannot be the container's root"
    told = Notice("with network none no port is published", "network")
    assert notice_of(told) == "with --network none no port is published"
    assert notice_of("as it is: network none") == "as it is: network none"


def test_limits_and_passwords_come_in_variables() -> None:
    assert hint_of(LadingError("no", hint=RAISE)) == "LADING_LIMITS=layer=BYTES raises that"
    configuration = Configuration(Path("/r"), Path("/s"), limits={"request": 1})
    with pytest.raises(InputError) as caught:
        client_config(configuration, lambda _: None)
    assert caught.value.message == "limits: there is no limit 'request'"
    assert message_of(caught.value) == "LADING_LIMITS: there is no limit 'request'"
    with pytest.raises(PasswordError) as closed:
        PrivateKey.read(PrivateKey.generate().write(b"pw"), b"other")
    assert closed.value.hint == "give another"
    assert hint_of(closed.value) == "set LADING_PASSWORD, or try again"


def test_every_way_out_says_it_so(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    said = lading.call("push", "app")
    assert (said.code, "hint: `lading images` lists those that are" in said.err) == (1, True)
    said = lading.call("build", "--progress", "json", tmp_path)
    event = json.loads(said.err.splitlines()[-1])
    assert (event["event"], event["hint"]) == ("error", WORDS["make or name key"])


def test_options_stand_where_they_stood(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    folder = context(tmp_path / "c", "FROM scratch\nLABEL a=b\n")
    said = lading.call("build", "-t", "one", "--build-arg", "UNUSED=1", folder)
    assert "warning: --build-arg UNUSED was not used: no ARG UNUSED\n" in said.err
    lading.ok("tag", "one", "two:other")
    lading.ok("build", "-q", "-t", "three", context(tmp_path / "d", "FROM scratch\nLABEL c=d\n"))
    lading.ok("save", "-o", tmp_path / "both", "one", "three")
    said = lading.call("load", "-i", tmp_path / "both", "--tag", "four")
    assert said.err == f"lading: {tmp_path / 'both'}: holds 2 images, so that --tag four could mean any\n"
