# Five losses on chest radiographs at 48 x 48, clean and under three noises, three seeds, a U-Net of 8
# channels: 60 runs of a minute. Its runs are among those of small_classes_jsrt.py: with that study's
# --work-dir they are not repeated. Needs JSRT_ROOT (docs/datasets.md).
_base_ = "./small_classes_jsrt.py"
axes = dict(
    loss={
        "_delete_": True,
        **{
            label: _base_._losses[label]
            for label in ("CE", "GCE 0.7", "T-Loss", "ANL-CE, published", "ANL-CE, ours")
        },
    },
    noise={
        "_delete_": True,
        "clean": None,
        **{k: v for k, v in _base_._noisy.items() if not k.startswith("pair")},
    },
)
metrics = dict(last_k=2, baseline="CE")
retries = 1
