_base_ = "./unet-s5-d16_12k_ce_alpha0.7-beta0.7_isic2017-256x256.py"
model = dict(
    decode_head=dict(
        loss_decode=dict(_delete_=True, type="anl_seg.ANLCELoss", alpha=5.0, beta=5.0)
    ),
    auxiliary_head=dict(
        loss_decode=dict(
            _delete_=True, type="anl_seg.ANLCELoss", alpha=5.0, beta=5.0, loss_weight=0.4
        )
    ),
)
