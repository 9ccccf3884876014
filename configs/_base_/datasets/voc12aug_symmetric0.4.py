# mmseg's pascal_voc12_aug, its training masks under symmetric noise: 40 % of the labelled pixels flipped.
_base_ = [__import__("anl_seg").mmseg_config("_base_/datasets/pascal_voc12_aug.py")]
train_pipeline = [
    *_base_.train_pipeline[:2],  # LoadImageFromFile, LoadAnnotations
    dict(
        type="anl_seg.CorruptMask",
        noise=dict(type="SymmetricNoise", rate=0.4),
        seed=0,
        num_classes=21,
    ),
    *_base_.train_pipeline[2:],
]
dataset_train = dict(pipeline=train_pipeline)
dataset_aug = dict(pipeline=train_pipeline)
train_dataloader = dict(
    dataset=dict(
        datasets=[
            {**_base_.dataset_train, "pipeline": train_pipeline},
            {**_base_.dataset_aug, "pipeline": train_pipeline},
        ]
    )
)
