# What the studies of small classes share: losses, optimisers, noises and budget. A study adds its data and
# network.
from anl_seg.config.anl_schedule import ANL_SCHEDULE as _anl_schedule

_fade, _average = _anl_schedule
_adam = {"optim_wrapper.optimizer.lr": 1e-2}
_sgd = {
    "optim_wrapper": dict(
        _delete_=True,
        type="OptimWrapper",
        optimizer=dict(type="SGD", lr=0.05, momentum=0.9),
        clip_grad=dict(max_norm=5.0),
    )
}
# The optimiser of the paper's code.
_sgd_l1 = {
    "optim_wrapper": dict(
        _delete_=True,
        type="anl_seg.L1OptimWrapper",
        l1_weight=5e-5,
        optimizer=dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=0.0),
        clip_grad=dict(max_norm=5.0),
    )
}
_rivals = {
    "CE": "CELoss",
    "MAE": "MAELoss",
    "GCE 0.7": "GCELoss:q=0.7",
    "SCE (0.1, 1)": "SCELoss:alpha=0.1,beta=1.0",
    "NCE+RCE": "ActivePassiveLoss:preset=NCE+RCE",
    "T-Loss": "MulticlassTLoss",
}
_published = dict(loss="ANLCELoss:setting=cifar10", options=_sgd_l1)
_losses = {
    **{label: dict(loss=loss, options=_adam) for label, loss in _rivals.items()},
    "ANL-CE, published": _published,
    "ANL-CE, ours": dict(loss="ANLCELoss", options=_adam, hooks=_anl_schedule),
}
_losses_by_optimiser = {
    **{f"{label}, Adam": dict(loss=loss, options=_adam) for label, loss in _rivals.items()},
    **{f"{label}, SGD": dict(loss=loss, options=_sgd) for label, loss in _rivals.items()},
    "ANL-CE published, SGD and L1": _published,
    "ANL-CE ours, Adam": dict(loss="ANLCELoss", options=_adam, hooks=_anl_schedule),
    "ANL-CE ours, SGD": dict(loss="ANLCELoss", options=_sgd, hooks=_anl_schedule),
}
_noisy = {
    "symmetric 0.6": "SymmetricNoise:rate=0.6",
    "pair 0.4": "PairNoise:rate=0.4",
    "alpha / beta 0.7": "AlphaBetaNoise:alpha=0.7,beta=0.7",
    "class swap 0.4": "ClassSwapNoise:rate=0.4",
}
_without_workers = {
    "train_dataloader.num_workers": 0,
    "train_dataloader.persistent_workers": False,
    "val_dataloader.num_workers": 0,
    "val_dataloader.persistent_workers": False,
}
# A U-Net of 8 channels, for JSRT; images of 32 x 32, for the long tail.
_narrow = {
    "model.backbone.base_channels": 8,
    "model.decode_head.in_channels": 8,
    "model.decode_head.channels": 8,
}
_small_images = {f"{part}_dataloader.dataset.size": (32, 32) for part in ("train", "val", "test")}
axes = dict(loss=_losses, noise={"clean": None, **_noisy}, seed=[0, 1, 2])
budget = dict(max_iters=450, val_interval=90)
metrics = dict(main="mDice.fg", last_k=1, memorization_interval=None, baseline="ANL-CE, ours")
