"""``anl-seg browse`` as a script; see anl_seg/cli/browse.py."""

from anl_seg.cli.browse import main

if __name__ == "__main__":
    raise SystemExit(main())
