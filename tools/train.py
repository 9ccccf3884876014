"""``anl-seg train`` as a script; see anl_seg/cli/train.py."""

from anl_seg.cli.train import main

if __name__ == "__main__":
    raise SystemExit(main())
