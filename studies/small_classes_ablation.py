# What each part of the recommended ANL is worth: one part left out or changed at a time, and two rivals
# with the same average, under three noises of small_classes_jsrt.py, whose options and budget these are: with
# its --work-dir, what both have is trained once. Needs JSRT_ROOT.
_base_ = "./small_classes_jsrt.py"
_adam, _parts = _base_._adam, _base_._anl_schedule
_fade, _average = _parts
_dice_stays = [
    dict(type="anl_seg.ANLCELoss", dice_weight=0.0),
    dict(type="anl_seg.NoiseRobustDiceLoss", loss_weight=5.0),
]
axes = dict(
    loss={
        "_delete_": True,
        "ANL-CE, ours": _base_._losses["ANL-CE, ours"],
        "without balancing": dict(loss="ANLCELoss:mass_balance=0.0", options=_adam, hooks=_parts),
        "without Dice": dict(loss="ANLCELoss:dice_weight=0.0", options=_adam, hooks=_parts),
        "without fading CE and Dice": dict(loss="ANLCELoss", options=_adam, hooks=_average),
        "without average": dict(loss="ANLCELoss", options=_adam, hooks=_fade),
        "the paper's flip point": dict(loss="ANLCELoss:min_prob=1e-7", options=_adam, hooks=_parts),
        "Dice kept to the end": dict(
            options={**_adam, "model.decode_head.loss_decode": _dice_stays}, hooks=_parts
        ),
        "CE, average": dict(loss="CELoss", options=_adam, hooks=_average),
        "T-Loss, average": dict(loss="MulticlassTLoss", options=_adam, hooks=_average),
    },
    noise={
        "_delete_": True,
        **{k: v for k, v in _base_._noisy.items() if not k.startswith("pair")},
    },
)
