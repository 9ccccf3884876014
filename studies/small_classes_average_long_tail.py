# What rivals reach with the averaged weights of the recommended ANL, and GCE with its balancing too, so that
# what is the loss's own merit can be told from what is theirs: noises, seeds and budget are those of
# small_classes_long_tail.py. 45 runs.
_base_ = "./small_classes_long_tail.py"
_with_average = dict(options=_base_._adam, hooks=[_base_._anl_schedule[1]])
axes = dict(
    loss={
        "_delete_": True,
        "CE, average": dict(loss="CELoss", **_with_average),
        "T-Loss, average": dict(loss="MulticlassTLoss", **_with_average),
        "GCE, balanced, average": dict(loss="GCELoss:q=0.7,mass_balance=1.0", **_with_average),
    }
)
metrics = dict(baseline=None)
