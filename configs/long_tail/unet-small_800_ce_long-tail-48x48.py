# 800 iterations of 8 images: 32 epochs.
_base_ = [
    "../_base_/models/unet_small.py",
    "../_base_/datasets/long_tail_48x48.py",
    "../_base_/schedules/adam_iters.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(num_classes=43))
train_cfg = dict(max_iters=800, val_interval=100)
default_hooks = dict(checkpoint=dict(interval=100))
# At 1e-3 the rarest classes are not learned in time, clean masks or not.
optim_wrapper = dict(optimizer=dict(lr=3e-3))
