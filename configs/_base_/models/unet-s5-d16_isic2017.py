# mmseg's FCN-UNet for two classes at 256 x 256, trained with cross entropy.
_base_ = [__import__("anl_seg").mmseg_config("_base_/models/fcn_unet_s5-d16.py")]
model = dict(
    data_preprocessor=dict(size=(256, 256)),
    test_cfg=dict(mode="whole"),
    decode_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.CELoss")),
    auxiliary_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.CELoss", loss_weight=0.4)),
)
