"""What is shipped, and a person's own versions laid over it. One that cannot be read is told wherever it is needed, and keeps nothing else from being read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from core.errors import ConfigError

T = TypeVar("T")
NONE: Mapping[str, ConfigError] = MappingProxyType({})


class Versions(Mapping[str, T]):
    """Those that can be read, by name."""

    def __init__(self, readable: Mapping[str, T], unreadable: Mapping[str, ConfigError] = NONE) -> None:
        self._readable = dict(readable)
        self.unreadable = dict(unreadable)       # name → what is wrong with it

    def __getitem__(self, name: str) -> T:
        return self._readable[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._readable)

    def __len__(self) -> int:
        return len(self._readable)

    @property
    def names(self) -> list[str]:
        """Of all, also of those that cannot be read."""
        return [*self._readable, *self.unreadable]

    def refuse_unreadable(self, name: str) -> None:
        """Raises the ConfigError of a version that cannot be read."""
        if error := self.unreadable.get(name):
            raise ConfigError(error.what, error.mend)


def lay_over(shipped: Mapping[str, T], own: Path, read: Callable[[Path], T]) -> Versions[T]:
    """`own`: the folder of a person's versions, NAME.yaml each. One that cannot be read is not replaced by the shipped one: who chose it is told."""
    readable, unreadable = dict(shipped), {}
    for path in sorted(own.glob("*.yaml")):
        try:
            readable[path.stem] = read(path)
        except ConfigError as error:
            readable.pop(path.stem, None)
            unreadable[path.stem] = ConfigError(error.what, f"{error.mend}, or take this version away on the page Agents")
    return Versions(readable, unreadable)
