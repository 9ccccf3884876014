_base_ = [
    __import__("anl_seg").mmseg_config("_base_/models/deeplabv3plus_r50-d8.py"),
    "../_base_/datasets/loveda_symmetric0.4.py",
    __import__("anl_seg").mmseg_config("_base_/default_runtime.py"),
    __import__("anl_seg").mmseg_config("_base_/schedules/schedule_80k.py"),
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(num_classes=7, loss_decode=dict(_delete_=True, type="anl_seg.CELoss")),
    auxiliary_head=dict(
        num_classes=7, loss_decode=dict(_delete_=True, type="anl_seg.CELoss", loss_weight=0.4)
    ),
)
