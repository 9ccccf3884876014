# Which optimiser is each loss better with? By another seed and a weaker noise than those of
# small_classes_jsrt.py, which takes the answer: 15 runs.
_base_ = "./_base_/small_classes.py"
base = "configs/jsrt/unet-small_570_ce_jsrt-48x48.py"
_adam = {"optim_wrapper.optimizer.lr": 1e-2}
_ours = [_base_._fade, _base_._average]
axes = dict(
    loss={
        **{
            f"{label}, Adam": dict(loss=loss, options=_adam)
            for label, loss in _base_._rivals.items()
        },
        **{
            f"{label}, SGD": dict(loss=loss, options=_base_._sgd)
            for label, loss in _base_._rivals.items()
        },
        "ANL-CE published, SGD and L1": dict(loss=_base_._published, options=_base_._sgd_l1),
        "ANL-CE ours, Adam": dict(loss="ANLCELoss", options=_adam, hooks=_ours),
        "ANL-CE ours, SGD": dict(loss="ANLCELoss", options=_base_._sgd, hooks=_ours),
    },
    noise="SymmetricNoise:rate=0.5",
    seed=3,
    options=dict(
        small={
            "model.backbone.base_channels": 8,
            "model.decode_head.in_channels": 8,
            "model.decode_head.channels": 8,
        }
    ),
)
budget = dict(max_iters=450, val_interval=45)
metrics = dict(main="mDice.fg", last_k=3, memorization_interval=None)
