"""`python -m hybridkit`: the command `hybridkit`."""

import sys

from hybridkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
