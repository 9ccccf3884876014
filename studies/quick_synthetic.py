# Four losses under two noises at two strengths, and clean, two seeds, on the embedded data at 32 x 32:
# 40 runs, some minutes on two cores with --jobs 2.
from anl_seg.config.anl_schedule import ANL_SCHEDULE as _anl_schedule

base = "configs/quickstart/unet-small_480_ce_synthetic-64x64.py"
axes = dict(
    loss={
        "CE": "CELoss",
        "GCE 0.7": "GCELoss:q=0.7",
        "SCE (1, 1)": "SCELoss:alpha=1.0,beta=1.0",
        "ANL-CE": dict(loss="ANLCELoss", hooks=_anl_schedule),
    },
    noise=dict(
        clean=None,
        symmetric="SymmetricNoise:rate={strength}",
        affine="AffineNoise:beta={strength}",
    ),
    strength=[0.3, 0.6],
    seed=[0, 1],
    options=dict(
        default={
            "train_dataloader.dataset.length": 32,
            "train_dataloader.dataset.size": (32, 32),
            "train_dataloader.num_workers": 0,
            "train_dataloader.persistent_workers": False,
            "val_dataloader.dataset.length": 48,
            "val_dataloader.dataset.size": (32, 32),
            "val_dataloader.num_workers": 0,
            "val_dataloader.persistent_workers": False,
            "default_hooks.logger.interval": 10,
        }
    ),
)
budget = dict(max_iters=160, val_interval=20)
metrics = dict(main="mIoU", others=["mDice"], last_k=3)
retries = 1
