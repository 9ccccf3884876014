"""Fused forms of the losses of :mod:`anl_seg.functional`."""
