# The paper's optimiser for CIFAR-10: SGD, no weight decay, L1 with delta 5e-5, gradients clipped at 5.
_base_ = "./unet-small_760_anl-ce-5-5_jsrt-64x64.py"
optim_wrapper = dict(
    _delete_=True,
    type="anl_seg.L1OptimWrapper",
    l1_weight=5e-5,
    optimizer=dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=0.0),
    clip_grad=dict(max_norm=5.0),
)
