_base_ = [
    __import__("anl_seg").mmseg_config("_base_/models/segformer_mit-b0.py"),
    "../_base_/datasets/cityscapes_symmetric0.4.py",
    __import__("anl_seg").mmseg_config("_base_/default_runtime.py"),
    "../_base_/schedules/adamw_80k.py",
]
checkpoint = (
    "https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/"
    "mit_b0_20220624-7e0fe6dd.pth"
)
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    backbone=dict(init_cfg=dict(type="Pretrained", checkpoint=checkpoint)),
    decode_head=dict(num_classes=19, loss_decode=dict(_delete_=True, type="anl_seg.CELoss")),
)
