# NLNL with its published schedule: the authors train 720 epochs of each stage (NL, SelNL, SelPL), so each
# stage has a third of the 570 iterations. Their pseudo-labelling, which trains a new network, is left out.
_base_ = "./unet-small_570_ce_jsrt-48x48.py"
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.NLNLLoss", gamma=0.5)))
custom_hooks = [
    dict(
        type="anl_seg.LossScheduleHook",
        schedule=[dict(parameter="stage", at={0: "nl", 190: "sel_nl", 380: "sel_pl"})],
    )
]
