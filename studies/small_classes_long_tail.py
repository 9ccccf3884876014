# Does ANL keep small classes, and win? Eight losses, clean and under four noises, three seeds, on the
# embedded data set of 43 classes with a long tail, at 32 x 32: 120 runs of a minute and a quarter. At 450
# iterations half of the classes are still to come, so 900.
_base_ = "./_base_/small_classes.py"
base = "configs/long_tail/unet-small_800_ce_long-tail-48x48.py"
axes = dict(options=dict(small={**_base_._without_workers, **_base_._small_images}))
budget = dict(max_iters=900, val_interval=180)
