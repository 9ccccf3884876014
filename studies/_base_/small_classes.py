# What the studies of small classes share: the losses, two optimisers, and how ANLCELoss() is recommended.
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
# configs/_base_/anl_schedule.py
_fade = dict(
    type="anl_seg.LossScheduleHook",
    relative=True,
    schedule=[dict(parameter="ce_share", at={0: 1.0, 0.2: 1.0, 0.8: 0.0}, interpolate="linear")],
)
_average = dict(
    type="EMAHook", ema_type="ExponentialMovingAverage", momentum=0.02, update_buffers=True
)
_rivals = {
    "CE": "CELoss",
    "MAE": "MAELoss",
    "GCE 0.7": "GCELoss:q=0.7",
    "SCE (0.1, 1)": "SCELoss:alpha=0.1,beta=1.0",
    "NCE+RCE": "ActivePassiveLoss:preset=NCE+RCE",
    "T-Loss": "MulticlassTLoss",
}
_published = "ANLCELoss:setting=cifar10"
