# The embedded data set of 43 classes with a long tail, 48 x 48, drawn once per sample. Clean masks; add
# noise by `--noise`.
num_classes = 43
size = (48, 48)
train_pipeline = [dict(type="anl_seg.LoadSyntheticShapes"), dict(type="PackSegInputs")]
test_pipeline = train_pipeline
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="anl_seg.SyntheticLongTailDataset",
        length=200,
        size=size,
        split="train",
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="anl_seg.SyntheticLongTailDataset",
        length=100,
        size=size,
        split="val",
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="anl_seg.SyntheticLongTailDataset",
        length=100,
        size=size,
        split="test",
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(type="anl_seg.PerClassIoUMetric", iou_metrics=["mDice", "mIoU"])
test_evaluator = val_evaluator
cache_samples = True
