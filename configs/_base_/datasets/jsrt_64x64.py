# Chest radiographs, 4 classes, at 64 x 64; the folder comes from the environment variable JSRT_ROOT.
# Scores are at 64 x 64 too.
num_classes = 4
scale = (64, 64)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="anl_seg.LoadJSRTAnnotations"),
    dict(type="Resize", scale=scale),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="anl_seg.LoadJSRTAnnotations"),
    dict(type="Resize", scale=scale),
    dict(type="anl_seg.ResizedAsOriginal"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(type="anl_seg.JSRTDataset", split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="anl_seg.JSRTDataset", split="val", pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="anl_seg.PerClassIoUMetric", iou_metrics=["mDice", "mIoU"])
test_evaluator = val_evaluator
