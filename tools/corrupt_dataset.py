"""``anl-seg corrupt`` as a script; see anl_seg/cli/corrupt.py."""

from anl_seg.cli.corrupt import main

if __name__ == "__main__":
    raise SystemExit(main())
