# Skin lesions, 2 classes, at 256 x 256; clean masks.
data_root = "data/isic2017"
scale = (256, 256)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="anl_seg.LoadISIC2017Annotations"),
    dict(type="Resize", scale=scale),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomFlip", prob=0.5, direction="vertical"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=scale),
    dict(type="anl_seg.LoadISIC2017Annotations"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="anl_seg.ISIC2017Dataset", data_root=data_root, split="train", pipeline=train_pipeline
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="anl_seg.ISIC2017Dataset", data_root=data_root, split="val", pipeline=test_pipeline
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="anl_seg.ISIC2017Dataset", data_root=data_root, split="test", pipeline=test_pipeline
    ),
)
val_evaluator = dict(type="anl_seg.PerClassIoUMetric", iou_metrics=["mDice", "mIoU"])
test_evaluator = val_evaluator
