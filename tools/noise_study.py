"""``anl-seg study`` as a script; see anl_seg/cli/study.py."""

from anl_seg.cli.study import main

if __name__ == "__main__":
    raise SystemExit(main())
