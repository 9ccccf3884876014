# The alpha / beta protocol of Gonzalez-Jimenez et al. (MICCAI 2023) on ISIC 2017: a share alpha of the
# training images has its lesion grown, shrunk or moved by beta of its area. 125 iterations of 16 images are
# an epoch, so the figure of the paper, the mean over the last ten epochs, is last_k = 10. 231 runs. Needs
# data/isic2017 (docs/datasets.md).
from anl_seg.config.anl_schedule import ANL_SCHEDULE as _anl_schedule

base = "configs/isic2017/unet-s5-d16_12k_ce_isic2017-256x256.py"
axes = dict(
    loss={
        "CE": "CELoss",
        "MAE": "MAELoss",
        "RCE": "RCELoss",
        "GCE": "GCELoss:q=0.7",
        "NGCE": "NGCELoss:q=0.7",
        "SCE": "SCELoss:alpha=0.1,beta=1.0",
        "NCE+RCE": "ActivePassiveLoss:preset=NCE+RCE,setting=cifar10",
        "NGCE+MAE": "ActivePassiveLoss:preset=NGCE+MAE,setting=cifar10",
        "NGCE+RCE": "ActivePassiveLoss:preset=NGCE+RCE,setting=cifar10",
        "T-Loss": "TLoss",
        "ANL-CE": dict(loss="ANLCELoss", hooks=_anl_schedule),
    },
    noise={
        "clean": None,
        "alpha / beta": "AlphaBetaNoise:alpha={strength[alpha]},beta={strength[beta]}",
    },
    strength=[dict(alpha=a, beta=b) for a in (0.3, 0.5, 0.7) for b in (0.5, 0.7)],
    seed=[0, 1, 2],
)
budget = dict(max_iters=12500, val_interval=125)
metrics = dict(main="Dice.lesion", others=["mDice", "mIoU"], last_k=10, memorization_interval=10)
retries = 1
