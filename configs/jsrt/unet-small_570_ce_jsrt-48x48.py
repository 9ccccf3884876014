# 570 iterations of 8 images: 31 epochs.
_base_ = [
    "../_base_/models/unet_small.py",
    "../_base_/datasets/jsrt_48x48.py",
    "../_base_/schedules/adam_iters.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(num_classes=4))
train_cfg = dict(max_iters=570, val_interval=57)
default_hooks = dict(checkpoint=dict(interval=57))
