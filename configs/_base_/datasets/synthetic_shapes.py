# The embedded data set: 6 classes, 64 x 64, drawn on demand. Clean masks; add noise by
# `--noise`, or see configs/quickstart.
num_classes = 6
train_pipeline = [
    dict(type="anl_seg.LoadSyntheticShapes"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="anl_seg.LoadSyntheticShapes"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="anl_seg.SyntheticShapesDataset", length=96, split="train", pipeline=train_pipeline
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="anl_seg.SyntheticShapesDataset", length=64, split="val", pipeline=test_pipeline
    ),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="anl_seg.SyntheticShapesDataset", length=64, split="test", pipeline=test_pipeline
    ),
)
val_evaluator = dict(type="anl_seg.PerClassIoUMetric", iou_metrics=["mIoU", "mDice"])
test_evaluator = val_evaluator
