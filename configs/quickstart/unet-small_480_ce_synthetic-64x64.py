_base_ = [
    "../_base_/models/unet_small.py",
    "../_base_/datasets/synthetic_shapes.py",
    "../_base_/schedules/adam_iters.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(num_classes=6))
train_cfg = dict(max_iters=480, val_interval=80)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=80))
