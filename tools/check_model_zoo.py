"""Which configs of the installed mmseg train with a robust loss; see tools/model_zoo/command.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.model_zoo.command import main

if __name__ == "__main__":
    raise SystemExit(main())
