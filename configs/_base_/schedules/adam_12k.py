# 12500 iterations of 16 of ISIC 2017's 2000 images: 100 epochs.
_base_ = ["./adam_iters.py"]
train_cfg = dict(max_iters=12500, val_interval=1250)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=1250))
