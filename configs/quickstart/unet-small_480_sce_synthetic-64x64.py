_base_ = "./unet-small_480_ce_synthetic-64x64.py"
model = dict(
    decode_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.SCELoss", alpha=0.1, beta=1.0))
)
