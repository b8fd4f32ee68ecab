"""Progress bars on stderr that stay calm: where nobody watches a terminal they move at most every ten seconds."""

import sys
from typing import Any


def bar(**options: Any) -> Any:  # noqa: ANN401  tqdm's options, and its bar
    """Make a progress bar of tqdm with its options (total, desc, unit, initial, disable, ...); it is gone at the end.

    >>> with bar(total=2, disable=True) as shown:
    ...     shown.update(2)
    """
    from tqdm.auto import tqdm

    calm = 0.5 if sys.stderr.isatty() else 10.0
    return tqdm(mininterval=calm, file=sys.stderr, leave=False, **options)
