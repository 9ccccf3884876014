# mmseg's SegFormer with the ImageNet weights of its backbone.
_base_ = [__import__("anl_seg").mmseg_config("_base_/models/segformer_mit-b0.py")]
checkpoint = (
    "https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/"
    "mit_b0_20220624-7e0fe6dd.pth"
)
model = dict(backbone=dict(init_cfg=dict(type="Pretrained", checkpoint=checkpoint)))
