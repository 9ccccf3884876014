_base_ = ["./segformer_mit-b0_80k_ce_symmetric0.4_loveda-512x512.py", "../_base_/anl_schedule.py"]
model = dict(
    decode_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.ANLCELoss")),
)
