# What the averaged weights of the recommended ANL give cross entropy: noises, seeds and budget are those of
# small_classes_long_tail.py. 15 runs.
_base_ = "./small_classes_long_tail.py"
axes = dict(
    loss={
        "_delete_": True,
        "CE, average": dict(loss="CELoss", options=_base_._adam, hooks=[_base_._anl_schedule[1]]),
    }
)
metrics = dict(baseline=None)
