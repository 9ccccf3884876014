# GCE whose q is learned on fifteen clean training images, one in ten.
_base_ = "./unet-small_570_ce_jsrt-48x48.py"
model = dict(
    decode_head=dict(
        loss_decode=dict(
            _delete_=True,
            type="anl_seg.AdaptiveLoss",
            base=dict(type="GCELoss", q=0.5),
            parameters=dict(q=(0.05, 1.0)),
        )
    )
)
clean_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="anl_seg.LoadJSRTAnnotations"),
    dict(type="Resize", scale=(48, 48)),
    dict(type="PackSegInputs"),
]
custom_hooks = [
    dict(
        type="anl_seg.AdaptiveLossHook",
        interval=10,
        clean_dataloader=dict(
            batch_size=8,
            num_workers=0,
            sampler=dict(type="DefaultSampler", shuffle=True),
            dataset=dict(
                type="anl_seg.JSRTDataset",
                split="train",
                indices=list(range(0, 148, 10)),
                pipeline=clean_pipeline,
            ),
        ),
    )
]
