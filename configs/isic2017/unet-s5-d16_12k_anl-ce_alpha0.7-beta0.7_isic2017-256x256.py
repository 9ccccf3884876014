_base_ = ["./unet-s5-d16_12k_ce_alpha0.7-beta0.7_isic2017-256x256.py", "../_base_/anl_schedule.py"]
model = dict(
    decode_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.ANLCELoss")),
    auxiliary_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.ANLCELoss", loss_weight=0.4)),
)
