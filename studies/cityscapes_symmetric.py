# Symmetric noise on Cityscapes, DeepLabV3+ and SegFormer, 80k iterations, 96 runs. Needs data/cityscapes.
# With each run distributed over four GPUs:
#   python tools/noise_study.py run studies/cityscapes_symmetric.py \
#       --launcher pytorch --nproc-per-run 4 --gpus-per-run 4
from anl_seg.config.anl_schedule import ANL_SCHEDULE as _anl_schedule

axes = dict(
    model={
        "DeepLabV3+": "mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-80k_cityscapes-512x1024.py",
        "SegFormer-B0": "mmseg::segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py",
    },
    loss={
        "CE": "CELoss",
        "GCE 0.7": "GCELoss:q=0.7",
        "SCE (6, 0.1)": "SCELoss:alpha=6.0,beta=0.1",
        "ANL-CE": dict(loss="ANLCELoss", hooks=_anl_schedule),
    },
    noise=dict(clean=None, symmetric="SymmetricNoise:rate={strength}"),
    strength=[0.2, 0.4, 0.6],
    seed=[0, 1, 2],
)
budget = dict(max_iters=80000, val_interval=8000)
metrics = dict(main="mIoU", others=["mAcc"], last_k=1, memorization_interval=None)
retries = 1
