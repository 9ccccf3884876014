# Five losses on chest radiographs at 48 x 48, clean and under three noises, three seeds, a U-Net of 8
# channels: 60 runs of three quarters of a minute. Needs JSRT_ROOT (docs/datasets.md).
_base_ = "./_base_/small_classes.py"
base = "configs/jsrt/unet-small_570_ce_jsrt-48x48.py"
axes = dict(
    _delete_=True,
    loss={
        "CE": "CELoss",
        "GCE 0.7": "GCELoss:q=0.7",
        "T-Loss": "MulticlassTLoss",
        "ANL-CE, published": "ANLCELoss:setting=cifar10",
        "ANL-CE": dict(loss="ANLCELoss", hooks=_base_._anl_schedule),
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
            **_base_._adam,
            **_base_._without_workers,
            **_base_._narrow,
        }
    ),
)
metrics = dict(
    others=["Dice.lung", "Dice.heart", "Dice.clavicle"],
    last_k=2,
    baseline="CE",
)
retries = 1
