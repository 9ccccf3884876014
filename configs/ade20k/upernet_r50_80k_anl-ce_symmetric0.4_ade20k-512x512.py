_base_ = ["./upernet_r50_80k_ce_symmetric0.4_ade20k-512x512.py", "../_base_/anl_schedule.py"]
model = dict(
    decode_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.ANLCELoss")),
    auxiliary_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.ANLCELoss", loss_weight=0.4)),
)
