"""What every gate must keep that judges by policy: the same questions to `Verifier` and to whatever calls it.

A test module derives from `GateContract` and gives `judge(policy, target, *evidence)`: it returns where the image
may run and raises a `GateError` where not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lading.store.oci.descriptors import Descriptor
from lading.verify.judgement.errors import NoAttestationError, RefusedError, UncheckableError
from suites.papers import Broken, Shelf, image, index, policy, provenance, rehang, signature, target, trusting

Judge = Callable[..., Any]
APP = image("app")
SUBJECT: Descriptor = APP.descriptor


class GateContract:
    @pytest.fixture
    def judge(self) -> Judge:
        raise NotImplementedError

    def test_a_signed_image_passes(self, judge: Judge) -> None:
        judge(trusting("own"), target(APP), Shelf(signature(SUBJECT)).evidence)

    def test_an_image_signed_by_somebody_else_is_refused(self, judge: Judge) -> None:
        with pytest.raises(RefusedError, match="is not signed by 'own'"):
            judge(trusting("own"), target(APP), Shelf(signature(SUBJECT, "mallory")).evidence)

    def test_an_unsigned_image_has_nothing_to_judge(self, judge: Judge) -> None:
        with pytest.raises(NoAttestationError, match="nothing is attached"):
            judge(trusting("own"), target(APP), Shelf().evidence)

    def test_a_place_that_is_down_leaves_the_question_open(self, judge: Judge) -> None:
        with pytest.raises(UncheckableError, match="no route to host"):
            judge(trusting("own"), target(APP), Broken())

    def test_the_base_s_provenance_is_not_the_app_s(self, judge: Judge) -> None:
        base = provenance(image("base").descriptor)
        asked = policy("scopes: {default: {require: [{type: slsaprovenance1, by: [own]}]}}\n", "own")
        with pytest.raises(RefusedError, match="is about another digest"):
            judge(asked, target(APP), Shelf(rehang(base, SUBJECT)).evidence)

    def test_an_uncovered_reference_is_refused_before_anybody_is_asked(self, judge: Judge) -> None:
        asked = policy("scopes: {example.com: {signed_by: {keys: [own]}}}\n", "own")
        with pytest.raises(RefusedError, match=r"no scope of policy\.yaml covers docker\.io/library/app:latest"):
            judge(asked, target(APP), Broken())

    def test_a_child_of_another_index_is_refused(self, judge: Judge) -> None:
        with pytest.raises(RefusedError, match="not among the manifests of the index"):
            judge(trusting("own"), target(APP, through=index(image("x"))), Shelf(signature(SUBJECT)).evidence)
