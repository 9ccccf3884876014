# 760 iterations of 8 images: 41 epochs.
_base_ = [
    "../_base_/models/unet_small.py",
    "../_base_/datasets/jsrt_64x64.py",
    "../_base_/schedules/adam_iters.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(num_classes=4))
