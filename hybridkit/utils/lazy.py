"""Public names of a package that are imported when they are first used, so that importing the package is quick."""

from collections.abc import Callable, Mapping
from typing import Any

from hybridkit.utils.extras import optional


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package that imports its public names when they are first used.

    Args:
        package: The package's own name, for the message about an unknown name.
        homes: Where each name is, below `hybridkit`: "errors" for the name itself in that module,
            "models.encoder:make" for another one there, "models.encoder:" for the module.

    Example:
        >>> lazy_names("toy", {"InputError": "errors", "errors": "errors:"})("InputError").__name__
        'InputError'
    """

    def found(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, colon, known_as = homes[name].partition(":")
        imported = optional(f"hybridkit.{module}")
        return imported if colon and not known_as else getattr(imported, known_as or name)

    return found
