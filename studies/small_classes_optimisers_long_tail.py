# Which optimiser is each loss better with? By another seed and a weaker noise than those of
# small_classes_long_tail.py: 15 runs.
_base_ = "./_base_/small_classes.py"
base = "configs/long_tail/unet-small_800_ce_long-tail-48x48.py"
axes = dict(
    _delete_=True,
    loss=_base_._losses_by_optimiser,
    noise="SymmetricNoise:rate=0.5",
    seed=3,
    options=dict(small={**_base_._without_workers, **_base_._small_images}),
)
budget = dict(max_iters=900, val_interval=90)
metrics = dict(last_k=3, baseline=None)
