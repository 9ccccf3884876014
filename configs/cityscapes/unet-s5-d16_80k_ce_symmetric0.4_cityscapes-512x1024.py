_base_ = [
    __import__("anl_seg").mmseg_config("_base_/models/fcn_unet_s5-d16.py"),
    "../_base_/datasets/cityscapes_symmetric0.4.py",
    __import__("anl_seg").mmseg_config("_base_/default_runtime.py"),
    __import__("anl_seg").mmseg_config("_base_/schedules/schedule_80k.py"),
]
model = dict(
    data_preprocessor=dict(size=(512, 1024), test_cfg=dict(size_divisor=16)),
    test_cfg=dict(crop_size=(512, 1024), stride=(341, 682)),
    decode_head=dict(num_classes=19, loss_decode=dict(_delete_=True, type="anl_seg.CELoss")),
    auxiliary_head=dict(
        num_classes=19, loss_decode=dict(_delete_=True, type="anl_seg.CELoss", loss_weight=0.4)
    ),
)
