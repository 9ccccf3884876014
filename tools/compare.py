"""``anl-seg compare`` as a script; see anl_seg/cli/compare.py."""

from anl_seg.cli.compare import main

if __name__ == "__main__":
    raise SystemExit(main())
