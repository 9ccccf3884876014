"""``python -m anl_seg COMMAND ...``."""

from anl_seg.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
