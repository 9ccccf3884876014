# Which optimiser is each loss better with? By another seed and a weaker noise than those of
# small_classes_jsrt.py: 15 runs.
_base_ = "./_base_/small_classes.py"
base = "configs/jsrt/unet-small_570_ce_jsrt-48x48.py"
axes = dict(
    _delete_=True,
    loss=_base_._losses_by_optimiser,
    noise="SymmetricNoise:rate=0.5",
    seed=3,
    options=dict(small={**_base_._without_workers, **_base_._narrow}),
)
budget = dict(val_interval=45)
metrics = dict(last_k=3, baseline=None)
