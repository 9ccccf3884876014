_base_ = [
    "../_base_/models/segformer_mit-b0.py",
    "../_base_/datasets/voc12aug_symmetric0.4.py",
    __import__("anl_seg").mmseg_config("_base_/default_runtime.py"),
    "../_base_/schedules/adamw_80k.py",
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(num_classes=21, loss_decode=dict(_delete_=True, type="anl_seg.CELoss")),
)
