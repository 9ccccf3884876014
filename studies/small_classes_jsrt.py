# Does ANL keep small classes, and win? Eight losses, each with the better of two optimisers (chosen by
# small_classes_optimisers_jsrt.py), clean and under four noises, three seeds, on
# chest radiographs at 48 x 48, a U-Net of 8 channels: 120 runs of half a minute. Needs JSRT_ROOT
# (docs/datasets.md).
_base_ = "./_base_/small_classes.py"
base = "configs/jsrt/unet-small_570_ce_jsrt-48x48.py"
# Losses that are better with SGD.
_with_sgd = ()
_adam = {"optim_wrapper.optimizer.lr": 1e-2}
axes = dict(
    loss={
        **{
            label: dict(loss=loss, options=_adam if label not in _with_sgd else _base_._sgd)
            for label, loss in _base_._rivals.items()
        },
        "ANL-CE, published": dict(loss=_base_._published, options=_base_._sgd_l1),
        "ANL-CE, ours": dict(
            loss="ANLCELoss", options=_adam, hooks=[_base_._fade, _base_._average]
        ),
    },
    noise={
        "clean": None,
        "symmetric 0.6": "SymmetricNoise:rate=0.6",
        "pair 0.4": "PairNoise:rate=0.4",
        "alpha / beta 0.7": "AlphaBetaNoise:alpha=0.7,beta=0.7",
        "class swap 0.4": "ClassSwapNoise:rate=0.4",
    },
    seed=[0, 1, 2],
    options=dict(
        small={
            "train_dataloader.num_workers": 0,
            "train_dataloader.persistent_workers": False,
            "val_dataloader.num_workers": 0,
            "val_dataloader.persistent_workers": False,
            "model.backbone.base_channels": 8,
            "model.decode_head.in_channels": 8,
            "model.decode_head.channels": 8,
        }
    ),
)
budget = dict(max_iters=450, val_interval=90)
metrics = dict(
    main="mDice.fg",
    others=["Dice.lung", "Dice.heart", "Dice.clavicle"],
    last_k=1,
    memorization_interval=None,
    baseline="ANL-CE, ours",
)
