"""How long the browser tests wait: BROWSER_PATIENCE=5 makes it five times as long, where others use the machine too."""

import os

TIMES = float(os.environ.get("BROWSER_PATIENCE", "1"))
