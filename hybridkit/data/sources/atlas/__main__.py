"""Makes atlas again: `python -m hybridkit.data.sources.atlas [--out FOLDER] [--seed N]`."""

import argparse
import sys
from pathlib import Path

from hybridkit.data.sources.atlas import write
from hybridkit.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Write the corpus and its lexicon, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m hybridkit.data.sources.atlas",
        description="Make the corpus atlas and its lexicon from CLDR and the kit's sentence templates.",
        epilog="example: python -m hybridkit.data.sources.atlas --out /tmp/atlas --seed 1",
    )
    parser.add_argument("--out", type=Path, default=Path("data/atlas"), help="folder to fill (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of wordings and held-out rows (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        write(options.out, options.seed)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"written: {options.out / 'train.jsonl.xz'}, {options.out / 'heldout.jsonl.xz'}, {options.out / 'lexicons'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
