# What each part of the recommended ANL is worth: one part left out or changed at a time, and two rivals with
# the same parts, under the noises of small_classes_jsrt.py, whose options and budget these are. Needs
# JSRT_ROOT.
_base_ = "./small_classes_jsrt.py"
_anl = "ANLCELoss"
_parts = [_base_._fade, _base_._average]
_dice = [
    dict(type="anl_seg.ANLCELoss"),
    dict(type="anl_seg.NoiseRobustDiceLoss", loss_weight=5.0),
]
axes = dict(
    loss=dict(
        _delete_=True,
        **{
            "ANL-CE, ours": dict(loss=_anl, options=_base_._adam, hooks=_parts),
            "without balancing": dict(
                loss="ANLCELoss:mass_balance=0.0", options=_base_._adam, hooks=_parts
            ),
            "without fading CE": dict(loss=_anl, options=_base_._adam, hooks=[_base_._average]),
            "without average": dict(loss=_anl, options=_base_._adam, hooks=[_base_._fade]),
            "the paper's flip point": dict(
                loss="ANLCELoss:min_prob=1e-7", options=_base_._adam, hooks=_parts
            ),
            "with 5 Dice": dict(
                options={**_base_._adam, "model.decode_head.loss_decode": _dice}, hooks=_parts
            ),
            "CE, average": dict(loss="CELoss", options=_base_._adam, hooks=[_base_._average]),
            "MAE, balanced, average": dict(
                loss="MAELoss:mass_balance=1.0",
                options=_base_._adam,
                hooks=[_base_._average],
            ),
        },
    ),
    noise=dict(
        _delete_=True,
        **{
            "symmetric 0.6": "SymmetricNoise:rate=0.6",
            "pair 0.4": "PairNoise:rate=0.4",
            "alpha / beta 0.7": "AlphaBetaNoise:alpha=0.7,beta=0.7",
            "class swap 0.4": "ClassSwapNoise:rate=0.4",
        },
    ),
)
