# 12500 iterations of 16 of the 2000 images: 100 epochs.
_base_ = [
    __import__("anl_seg").mmseg_config("_base_/models/fcn_unet_s5-d16.py"),
    "../_base_/datasets/isic2017_alpha0.7-beta0.7.py",
    "../_base_/schedules/adam_iters.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(size=(256, 256)),
    test_cfg=dict(mode="whole"),
    decode_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.CELoss")),
    auxiliary_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.CELoss", loss_weight=0.4)),
)
train_cfg = dict(max_iters=12500, val_interval=1250)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=1250))
