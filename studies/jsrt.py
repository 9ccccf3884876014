# Five losses on chest radiographs at 48 x 48, clean and under three noises, three seeds, a U-Net of 8
# channels: 60 runs of three quarters of a minute. Needs JSRT_ROOT (docs/datasets.md).
base = "configs/jsrt/unet-small_570_ce_jsrt-48x48.py"
# configs/_base_/anl_schedule.py
_anl_schedule = [
    dict(
        type="anl_seg.LossScheduleHook",
        relative=True,
        schedule=[
            dict(parameter="ce_share", at={0: 1.0, 0.2: 1.0, 0.8: 0.0}, interpolate="linear")
        ],
    ),
    dict(type="EMAHook", ema_type="ExponentialMovingAverage", momentum=0.02, update_buffers=True),
]
axes = dict(
    loss={
        "CE": "CELoss",
        "GCE 0.7": "GCELoss:q=0.7",
        "T-Loss": "MulticlassTLoss",
        "ANL-CE, published": "ANLCELoss:setting=cifar10",
        "ANL-CE": dict(loss="ANLCELoss", hooks=_anl_schedule),
    },
    noise={
        "clean": None,
        "symmetric 0.6": "SymmetricNoise:rate=0.6",
        "alpha / beta 0.7": "AlphaBetaNoise:alpha=0.7,beta=0.7",
        "class swap 0.4": "ClassSwapNoise:rate=0.4",
    },
    seed=[0, 1, 2],
    options=dict(
        small={
            "optim_wrapper.optimizer.lr": 1e-2,
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
    last_k=2,
    memorization_interval=None,
    baseline="CE",
)
retries = 1
