# Every loss and preset on chest radiographs at 48 x 48, one seed: clean, symmetric noise, and outlines that
# are wrong in most images. 570 iterations of 8 images, Adam at 1e-3, a U-Net of 8 channels: 126 runs.
# Needs JSRT_ROOT (docs/datasets.md). For three seeds of the best, leave these in the loss axis and list the
# seeds: runs that are there already are not repeated. Losses corrected by a transition matrix are left out,
# as the true matrix depends on noise and seed.
base = "configs/jsrt/unet-small_570_ce_jsrt-48x48.py"
_pairs = [
    *(
        (f"{active}+{passive}", "cifar10")
        for active in ("NCE", "NFL", "NGCE")
        for passive in ("RCE", "MAE")
    ),
    *((f"NCE+{passive}", "cifar10") for passive in ("AGCE", "AUE", "AEL")),
    ("NCE+RCE", "cifar100"),
    ("NCE+MAE", "cifar100"),
]
_normalized_gce = dict(type="NormalizedNegativeLoss", base=dict(type="GCELoss"))
# The authors train 720 epochs of each stage: each has a third of the iterations.
_stages = dict(
    type="anl_seg.LossScheduleHook",
    schedule=[dict(parameter="stage", at={0: "nl", 190: "sel_nl", 380: "sel_pl"})],
)
# q is learned on fifteen clean training images, one in ten.
_clean_images = dict(
    type="anl_seg.JSRTDataset",
    split="train",
    indices=list(range(0, 148, 10)),
    pipeline=[
        dict(type="LoadImageFromFile"),
        dict(type="anl_seg.LoadJSRTAnnotations"),
        dict(type="Resize", scale=(48, 48)),
        dict(type="PackSegInputs"),
    ],
)
_learned_q = dict(
    type="anl_seg.AdaptiveLossHook",
    interval=10,
    clean_dataloader=dict(
        batch_size=8,
        num_workers=0,
        sampler=dict(type="DefaultSampler", shuffle=True),
        dataset=_clean_images,
    ),
)
axes = dict(
    loss={
        "CE": "CELoss",
        "focal": "FocalLoss:gamma=2.0",
        "MAE": "MAELoss",
        "RCE": "RCELoss",
        "GCE 0.7": "GCELoss:q=0.7",
        "SCE (0.1, 1)": "SCELoss:alpha=0.1,beta=1.0",
        "NCE": "NCELoss",
        "NFL": "NFLLoss:gamma=0.5",
        "NGCE": "NGCELoss:q=0.7",
        "NRCE": "NRCELoss",
        "AGCE (0.6, 0.6)": "AGCELoss:a=0.6,q=0.6",
        "AUE (5.5, 3)": "AUELoss:a=5.5,q=3.0",
        "AEL 2.5": "AELLoss:a=2.5",
        "ANorm": "ANormLoss",
        "JS 0.5": "GJSLoss:pi=0.5",
        "bootstrap soft": "BootstrapLoss:beta=0.95,mode=soft",
        "bootstrap hard": "BootstrapLoss:beta=0.8,mode=hard",
        "label smoothing 0.1": "LabelSmoothingCELoss:smoothing=0.1",
        "negative learning": "NLNLLoss",
        "NLNL, three stages": dict(loss=dict(type="NLNLLoss", gamma=0.5), hooks=[_stages]),
        "GCE, learned q": dict(
            loss=dict(
                type="AdaptiveLoss",
                base=dict(type="GCELoss", q=0.5),
                parameters=dict(q=(0.05, 1.0)),
            ),
            hooks=[_learned_q],
        ),
        "peer": "PeerLoss",
        "noise-robust Dice": "NoiseRobustDiceLoss:gamma=1.5",
        "T-Loss, multi-class": "MulticlassTLoss",
        "NNCE": "NNCELoss",
        "NNFL": "NNFLLoss:gamma=0.5",
        "ANL-CE (5, 5)": "ANLCELoss:setting=cifar10",
        "ANL-CE (10, 1)": "ANLCELoss:setting=cifar100",
        "ANL-FL (5, 5)": "ANLFLLoss:alpha=5,beta=5,gamma=0.5",
        "ANL-FL (10, 1)": "ANLFLLoss:alpha=10,beta=1,gamma=0.5",
        "ANL-GCE (5, 5)": dict(
            type="ActiveNegativeLoss",
            alpha=5,
            beta=5,
            active=dict(type="NGCELoss"),
            negative=_normalized_gce,
        ),
        **{
            f"{preset} ({setting})": f"ActivePassiveLoss:preset={preset},setting={setting}"
            for preset, setting in _pairs
        },
    },
    noise=dict(
        clean=None,
        symmetric="SymmetricNoise:rate=0.6",
        outlines="AlphaBetaNoise:alpha=0.7,beta=0.7",
    ),
)
metrics = dict(main="mDice.fg", memorization_interval=None, baseline="CE")
