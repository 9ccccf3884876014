"""``anl-seg quickstart`` as a script; see anl_seg/cli/quickstart.py."""

from anl_seg.cli.quickstart import main

if __name__ == "__main__":
    raise SystemExit(main())
