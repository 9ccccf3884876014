"""``anl-seg test`` as a script; see anl_seg/cli/test.py."""

from anl_seg.cli.test import main

if __name__ == "__main__":
    raise SystemExit(main())
