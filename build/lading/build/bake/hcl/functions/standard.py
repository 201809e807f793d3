"""All functions by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lading.build.bake.hcl.functions.collection_functions import COLLECTION_FUNCTIONS
from lading.build.bake.hcl.functions.date_functions import DATE_FUNCTIONS
from lading.build.bake.hcl.functions.encoding_functions import ENCODING_FUNCTIONS
from lading.build.bake.hcl.functions.format_functions import FORMAT_FUNCTIONS
from lading.build.bake.hcl.functions.number_functions import NUMBER_FUNCTIONS
from lading.build.bake.hcl.functions.text_functions import TEXT_FUNCTIONS
from lading.build.bake.hcl.functions.version_functions import VERSION_FUNCTIONS
from lading.build.bake.hcl.hcl_values import HclValue

STANDARD: Final[Mapping[str, Callable[..., HclValue]]] = {
    **NUMBER_FUNCTIONS,
    **TEXT_FUNCTIONS,
    **COLLECTION_FUNCTIONS,
    **ENCODING_FUNCTIONS,
    **DATE_FUNCTIONS,
    **FORMAT_FUNCTIONS,
    **VERSION_FUNCTIONS,
}
"""Beside these there are `can`, `convert`, `try` and `homedir`, which ask for more than values."""
