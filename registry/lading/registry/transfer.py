"""Whole images between registries and the store, with their evidence."""

from lading.registry.bounds import Bounds
from lading.registry.pulling import Pulled, pull
from lading.registry.pushing import Pushed, push

__all__ = ["Bounds", "Pulled", "Pushed", "pull", "push"]
