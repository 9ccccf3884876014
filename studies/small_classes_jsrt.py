# Does ANL keep small classes, and win? Eight losses, clean and under four noises, three seeds, on chest
# radiographs at 48 x 48: 120 runs of three quarters of a minute. Needs JSRT_ROOT (docs/datasets.md).
_base_ = "./_base_/small_classes.py"
base = "configs/jsrt/unet-small_570_ce_jsrt-48x48.py"
axes = dict(options=dict(small={**_base_._without_workers, **_base_._narrow}))
metrics = dict(others=["Dice.lung", "Dice.heart", "Dice.clavicle"])
