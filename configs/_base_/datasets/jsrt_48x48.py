# Chest radiographs at 48 x 48, for studies with many runs on a CPU: half the time of 64 x 64.
_base_ = "./jsrt_64x64.py"
scale = (48, 48)
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
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
# Masks are corrupted at 256 x 256: once per sample, not once per epoch.
cache_samples = True
