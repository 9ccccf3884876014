# What each part of the recommended ANL is worth: one part left out or changed at a time, and two rivals with
# the same parts, under the noises of small_classes_jsrt.py, whose options and budget these are. Needs
# JSRT_ROOT.
_base_ = "./small_classes_jsrt.py"
_adam, _parts = _base_._adam, _base_._anl_schedule
_fade, _average = _parts
_dice = [
    dict(type="anl_seg.ANLCELoss"),
    dict(type="anl_seg.NoiseRobustDiceLoss", loss_weight=5.0),
]
axes = dict(
    loss={
        "_delete_": True,
        "ANL-CE, ours": _base_._losses["ANL-CE, ours"],
        "without balancing": dict(loss="ANLCELoss:mass_balance=0.0", options=_adam, hooks=_parts),
        "without fading CE": dict(loss="ANLCELoss", options=_adam, hooks=_average),
        "without average": dict(loss="ANLCELoss", options=_adam, hooks=_fade),
        "the paper's flip point": dict(loss="ANLCELoss:min_prob=1e-7", options=_adam, hooks=_parts),
        "with 5 Dice": dict(
            options={**_adam, "model.decode_head.loss_decode": _dice}, hooks=_parts
        ),
        "CE, average": dict(loss="CELoss", options=_adam, hooks=_average),
        "MAE, balanced, average": dict(
            loss="MAELoss:mass_balance=1.0", options=_adam, hooks=_average
        ),
    },
    noise={"_delete_": True, **_base_._noisy},
)
