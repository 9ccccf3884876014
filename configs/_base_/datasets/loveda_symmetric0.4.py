# mmseg's loveda, its training masks under symmetric noise: 40 % of the labelled pixels flipped.
_base_ = [__import__("anl_seg").mmseg_config("_base_/datasets/loveda.py")]
train_pipeline = [
    *_base_.train_pipeline[:2],  # LoadImageFromFile, LoadAnnotations
    dict(
        type="anl_seg.CorruptMask",
        noise=dict(type="SymmetricNoise", rate=0.4),
        seed=0,
        num_classes=7,
    ),
    *_base_.train_pipeline[2:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
