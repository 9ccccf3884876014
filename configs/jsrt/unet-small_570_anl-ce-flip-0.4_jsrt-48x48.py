# The flip point of the negative loss at 0.4 of the uniform probability, here 0.1: the small class stays.
_base_ = "./unet-small_570_ce_jsrt-48x48.py"
model = dict(
    decode_head=dict(
        loss_decode=dict(
            _delete_=True, type="anl_seg.ANLCELoss", alpha=5.0, beta=5.0, relative_min_prob=0.4
        )
    )
)
