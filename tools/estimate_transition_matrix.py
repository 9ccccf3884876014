"""``anl-seg estimate`` as a script; see anl_seg/cli/estimate.py."""

from anl_seg.cli.estimate import main

if __name__ == "__main__":
    raise SystemExit(main())
