_base_ = "./unet-small_760_ce_jsrt-64x64.py"
model = dict(
    decode_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.ANLCELoss", setting="cifar100"))
)
