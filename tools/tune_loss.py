"""``anl-seg tune`` as a script; see anl_seg/cli/tune.py."""

from anl_seg.cli.tune import main

if __name__ == "__main__":
    raise SystemExit(main())
