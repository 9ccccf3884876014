# ISIC 2017, 256 x 256, the alpha / beta protocol of Gonzalez-Jimenez et al. (MICCAI 2023): a share alpha of
# the training images has its lesion grown, shrunk or moved by beta of its area.
_base_ = ["./isic2017_256x256.py"]
train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(
        type="anl_seg.CorruptMask",
        noise=dict(type="AlphaBetaNoise", alpha=0.3, beta=0.5),
        seed=0,
        num_classes=2,
    ),
    *_base_.train_pipeline[2:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
