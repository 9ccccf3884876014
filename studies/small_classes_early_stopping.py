# Does stopping help where no mask is clean? Each run is judged at ten validations by clean masks and by
# masks that are as wrong as those of training, and told at the best of the latter, too: three losses under
# the four noises of small_classes_jsrt.py, 36 runs of three quarters of a minute. Needs JSRT_ROOT.
_base_ = "./small_classes_jsrt.py"
_kept = ("CE", "T-Loss", "ANL-CE, ours")
axes = dict(
    loss={"_delete_": True, **{label: _base_._losses[label] for label in _kept}},
    noise={"_delete_": True, **_base_._noisy},
)
budget = dict(val_interval=45)
metrics = dict(
    evaluators=[dict(type="anl_seg.NoisyIoUMetric", iou_metrics=["mDice"])],
    stop_by="noisy/mDice.fg",
)
