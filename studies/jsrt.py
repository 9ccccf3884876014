# Six losses under three noises at two strengths, and clean, three seeds, on chest radiographs at 48 x 48:
# 126 runs. Needs JSRT_ROOT (docs/datasets.md).
base = "configs/jsrt/unet-small_570_ce_jsrt-48x48.py"
axes = dict(
    loss={
        "CE": "CELoss",
        "GCE 0.7": "GCELoss:q=0.7",
        "SCE (1, 1)": "SCELoss:alpha=1.0,beta=1.0",
        "T-Loss": "MulticlassTLoss",
        "label smoothing 0.1": "LabelSmoothingCELoss:smoothing=0.1",
        "ANL-CE (10, 1)": "ANLCELoss:setting=cifar100",
    },
    noise={
        "clean": None,
        "symmetric": "SymmetricNoise:rate={strength}",
        "affine": "AffineNoise:beta={strength}",
        "alpha / beta": "AlphaBetaNoise:alpha={strength},beta=0.7",
    },
    strength=[0.3, 0.6],
    seed=[0, 1, 2],
)
budget = dict(max_iters=570, val_interval=57)
metrics = dict(main="mDice.fg", others=["mIoU"], last_k=3, memorization_interval=2)
retries = 1
